//! The configuration of a checkpoint of this decoder, and the rules of the family whose keys it has.
//!
//! The two types name each other: a configuration has its family's rules, and the rules have the functions
//! that read and write the family's own keys of a configuration.

use super::rule_parts::{Activated, Defaults, HeadNorms, NormPlaces, StockWidth};
use super::{Biases, Multipliers, SoftCaps};
use crate::LayerWidths;
use crate::config_json::{ConfigJson, Unsupported};
use crate::modules::{LongRope, RopeScaling};
use serde_json::Value;
use std::fmt;

/// The hyperparameters of a checkpoint, by the names of its `config.json`.
///
/// Keys that pruning does not touch are kept as they were read, so that a result's `config.json`
/// differs from its source's only in what changed.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// The family whose keys these are.
    pub family: &'static FamilyRules,
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
    /// Key/value heads of each layer.
    pub num_key_value_heads: usize,
    /// Width of a head, independent of `hidden_size`.
    pub head_dim: usize,
    /// The first dimensions of each head, which are rotated.
    pub rotary_dims: usize,
    /// Positions the model was trained for.
    pub max_position_embeddings: usize,
    /// Added to the mean square in every norm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the frequencies are stretched, if they are.
    pub rope_scaling: Option<RopeScaling>,
    /// What each of them is divided by, where each has a divisor of its own.
    pub long_rope: Option<LongRope>,
    /// Whether the head is the embedding, transposed.
    pub tie_word_embeddings: bool,
    /// Which projections have biases.
    pub biases: Biases,
    /// How many keys a query of each layer sees, its own included, where it does not see all before it.
    pub windows: Vec<Option<usize>>,
    /// Whether each layer turns queries and keys by their positions.
    pub rotates: Vec<bool>,
    /// What is multiplied beside the weights.
    pub multipliers: Multipliers,
    /// What keeps scores and logits within bounds.
    pub soft_caps: SoftCaps,
    /// The base of the rotary frequencies in layers that see a window alone, where they have their own.
    pub local_theta: Option<f64>,
    /// Standard deviation of weights that are trained from nothing.
    pub initializer_range: f64,
    /// Neurons and heads of every layer, where they differ.
    pub widths: LayerWidths,
    /// The share of each head that is said to be rotated; families that rotate whole heads pass over it, as
    /// stock does.
    pub(super) partial: Option<f64>,
    /// The file that was read.
    pub(super) raw: ConfigJson,
}

impl DecoderConfig {
    /// Query heads that share one key/value head.
    pub fn heads_per_group(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }

    /// The shortest window of a layer, where a layer has one: up to so many tokens the model is one without
    /// windows.
    pub fn shortest_window(&self) -> Option<usize> {
        self.windows.iter().copied().flatten().min()
    }

    /// What leaves the embedding is multiplied by this.
    pub fn embedding_multiplier(&self) -> f64 {
        match self.family.scales_embedding {
            true => (self.hidden_size as f64).sqrt(),
            false => self.multipliers.embedding,
        }
    }

    /// The value of a key in the file that was read.
    pub(super) fn said(&self, key: &str) -> Option<&Value> {
        self.raw.get(key)
    }

    /// Whether the file that was read says something under a key.
    pub(super) fn says(&self, key: &str) -> bool {
        self.raw.get(key).is_some_and(|value| !value.is_null())
    }
}

/// What sets one family of this decoder apart from the others.
pub struct FamilyRules {
    /// The `model_type` of its configurations.
    pub(super) model_type: &'static str,
    /// The beginning of its classes' names, such as `Qwen3`.
    pub(super) class: &'static str,
    /// The name in `architectures`.
    pub(super) architecture: &'static str,
    /// What keys mean that are not there.
    pub(super) defaults: Defaults,
    /// Keys that change what other families compute, and that this one reads.
    pub(super) own_keys: &'static [&'static str],
    /// What stock software wants of the width.
    pub(super) stock_width: StockWidth,
    /// The biases that its configuration can say.
    pub(super) can_have: Biases,
    /// The norms of queries and keys.
    pub(super) head_norms: HeadNorms,
    /// Where the norms of attention and feed-forward network lie.
    pub(super) norms: NormPlaces,
    /// What the gate of the feed-forward network goes through.
    pub(super) activated: Activated,
    /// Whether norms multiply by one more than their gains.
    pub(super) gains_plus_one: bool,
    /// Whether the embedding is multiplied by the root of the width.
    pub(super) scales_embedding: bool,
    /// Whether layers that see a window alone have a rotary base of their own.
    pub(super) local_theta: bool,
    /// Whether a share of each head may be rotated alone.
    pub(super) partial_rotary: bool,
    /// Whether its files hold queries, keys and values in one tensor, and gate and up projection in another.
    pub(super) fused: bool,
    /// Reads what the other families do not have.
    pub(super) read: fn(&ConfigJson, &mut DecoderConfig) -> Result<(), Unsupported>,
    /// The keys that say it, as they are after slicing.
    pub(super) write: fn(&DecoderConfig) -> Vec<(&'static str, Value)>,
}

impl FamilyRules {
    /// The name in `architectures`.
    pub fn architecture(&self) -> &'static str {
        self.architecture
    }

    /// The `model_type` of its configurations.
    pub fn model_type(&self) -> &'static str {
        self.model_type
    }
}

impl fmt::Debug for FamilyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type)
    }
}

impl PartialEq for FamilyRules {
    fn eq(&self, other: &Self) -> bool {
        self.model_type == other.model_type
    }
}
