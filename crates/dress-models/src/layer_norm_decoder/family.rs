//! What sets one family of decoders with layer norms apart from the others.

use super::LayerNormConfig;
use crate::config_json::{ConfigJson, Unsupported};
use serde_json::Value;
use std::fmt::Debug;

/// What sets one family of decoders with layer norms apart from the others: the keys of its configurations,
/// and what its checkpoints call the parts of a model.
pub trait LayerNormFamily: Debug + Clone + PartialEq + Send + Sync + 'static {
    /// What messages call it.
    const NAME: &'static str;
    /// The beginning of its classes' names, such as `GPTNeoX`.
    const CLASS: &'static str;
    /// The name in `architectures`.
    const ARCHITECTURE: &'static str;
    /// What `hidden_act` means that is not there.
    const ACTIVATION: &'static str;
    /// The share of each head that is rotated, where nothing says it.
    const PARTIAL: f64;
    /// Its own keys of the rotary embedding, each with what other families call it. The other name says
    /// nothing in its files.
    const ROTARY_KEYS: &'static [(&'static str, &'static str)] = &[];
    /// Keys that change what other families compute, and that this one reads.
    const OWN_KEYS: &'static [&'static str] = &[];
    /// Whether query heads may share key/value heads.
    const GROUPED: bool;
    /// Whether `transformers` reads a `head_dim`; other loaders divide the width by the heads.
    const HEAD_DIM_IN_TRANSFORMERS: bool;
    /// What its checkpoints call the parts of a model.
    const PARTS: PartNames;

    /// Reads what the other families do not have.
    ///
    /// # Errors
    /// The key that asks for something that is not built.
    fn read(raw: &ConfigJson, config: &mut LayerNormConfig<Self>) -> Result<(), Unsupported> {
        let _ = (raw, config);
        Ok(())
    }

    /// The keys that say it, as they are after slicing.
    fn write(config: &LayerNormConfig<Self>) -> Vec<(&'static str, Value)> {
        let _ = config;
        Vec::new()
    }
}

/// What checkpoints call the parts of a model.
#[derive(Debug, Clone, Copy)]
pub struct PartNames {
    /// The embedding.
    pub embedding: &'static str,
    /// The list of the layers.
    pub layers: &'static str,
    /// The norm before the head.
    pub final_norm: &'static str,
    /// The head.
    pub head: &'static str,
    /// In a layer, the norm before the attention.
    pub attention_norm: &'static str,
    /// In a layer, the norm before the feed-forward network, where that does not read what the attention
    /// reads.
    pub ffn_norm: Option<&'static str>,
    /// In a layer, the attention.
    pub attention: &'static str,
    /// In the attention, the projections to queries, keys and values. A single one makes the query, the key
    /// and the value of one head after the other.
    pub projections: &'static [&'static str],
    /// In the attention, the projection back to the stream.
    pub attention_output: &'static str,
    /// In a layer, the projections from the stream to the neurons and back.
    pub ffn: [&'static str; 2],
}
