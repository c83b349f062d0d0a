//! The configuration of a checkpoint of this decoder.

use crate::LayerWidths;
use crate::config_json::ConfigJson;
use crate::modules::{Activation, RopeScaling};
use serde_json::Value;
use std::marker::PhantomData;

/// The hyperparameters of a checkpoint of the family `F`, by the names of its `config.json`.
///
/// Keys that pruning does not touch are kept as they were read.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNormConfig<F> {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Neurons of each feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads of each layer.
    pub num_attention_heads: usize,
    /// Key/value heads of each layer, as many as query heads in families whose heads share nothing.
    pub num_key_value_heads: usize,
    /// Width of a head. Most stock software knows only `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// The first dimensions of each head, which are rotated.
    pub rotary_dims: usize,
    /// Positions the model was trained for.
    pub max_position_embeddings: usize,
    /// Added to the variance in every norm.
    pub layer_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the frequencies are stretched, if they are.
    pub rope_scaling: Option<RopeScaling>,
    /// The activation of the feed-forward networks.
    pub activation: Activation,
    /// Whether the projections of the attention have biases.
    pub attention_bias: bool,
    /// Whether attention and feed-forward network read the same stream, side by side.
    pub use_parallel_residual: bool,
    /// Standard deviation of weights that are trained from nothing.
    pub initializer_range: f64,
    /// Neurons and heads of every layer, where they differ.
    pub widths: LayerWidths,
    /// The share of each head that is rotated.
    pub(super) partial: f64,
    /// The file, with what it says of the rotary embedding under the names of other families as well.
    pub(super) raw: ConfigJson,
    pub(super) family: PhantomData<F>,
}

impl<F> LayerNormConfig<F> {
    /// Query heads that share one key/value head.
    pub fn heads_per_group(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }

    /// The value of a key in the file that was read.
    pub(crate) fn said(&self, key: &str) -> Option<&Value> {
        self.raw.get(key)
    }
}
