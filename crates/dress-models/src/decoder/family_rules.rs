//! What sets one family of this decoder apart from the others.

use super::{
    Biases, DecoderConfig, gemma, granite, layer_types, llama, mistral, olmo2, phi3, qwen2, qwen3, smollm3,
};
use crate::config_json::{self, ConfigJson, Unsupported};
use crate::modules::Activation;
use crate::rope_config::RopeDefaults;
use serde_json::Value;
use std::fmt;

/// The families of this decoder.
pub(crate) static FAMILIES: [&FamilyRules; 10] = [
    &llama::RULES,
    &mistral::RULES,
    &qwen2::RULES,
    &qwen3::RULES,
    &phi3::RULES,
    &smollm3::RULES,
    &granite::RULES,
    &olmo2::RULES,
    &gemma::GEMMA2,
    &gemma::GEMMA3,
];

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

/// What keys mean that are not there, by the configurations of `transformers`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    /// `max_position_embeddings`.
    pub positions: usize,
    /// `num_key_value_heads`, where that is not the number of query heads.
    pub key_value_heads: Option<usize>,
    /// `head_dim`, where that is not the width divided by the heads.
    pub head_dim: Option<usize>,
    /// `rms_norm_eps`.
    pub epsilon: f64,
    /// `tie_word_embeddings`.
    pub tied: bool,
    /// What is not said of the rotary embedding.
    pub rope: RopeDefaults,
}

impl Defaults {
    /// What most families have.
    pub const USUAL: Self = Self {
        positions: 2048,
        key_value_heads: None,
        head_dim: None,
        epsilon: 1e-6,
        tied: false,
        rope: RopeDefaults::USUAL,
    };
}

/// The norms of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadNorms {
    /// There are none.
    None,
    /// Of each head by itself, the gains shared by all heads.
    Each,
    /// Over all heads together.
    All,
}

/// Where the norms of attention and feed-forward network lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlaces {
    /// Before them: they read the normalized stream.
    Before,
    /// Behind them: they read the stream itself, and what they add to it is normalized.
    Behind,
    /// Before them and behind them.
    Both,
}

impl NormPlaces {
    /// Whether attention and feed-forward network read the normalized stream.
    pub(super) fn before(self) -> bool {
        self != Self::Behind
    }

    /// Whether what they add to it is normalized.
    pub(super) fn behind(self) -> bool {
        self != Self::Before
    }
}

/// What the gate of the feed-forward network goes through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Activated {
    /// The key that says it.
    pub key: &'static str,
    /// The function, the only one that is built for the family.
    pub by: Activation,
    /// Its name.
    pub name: &'static str,
}

/// What stock software wants of the width of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StockWidth {
    /// Anything: `head_dim` says the rest.
    Any,
    /// A multiple of the query heads, by the configuration of `transformers`.
    MultipleOfHeads,
    /// Anything in `transformers`; vLLM and llama.cpp divide the width by the heads.
    HeadsOutsideTransformers,
}

impl FamilyRules {
    /// What most families have, for those that say what is otherwise.
    pub(super) const USUAL: Self = Self {
        model_type: "",
        class: "",
        architecture: "",
        defaults: Defaults::USUAL,
        own_keys: &[],
        stock_width: StockWidth::Any,
        can_have: Biases::NONE,
        head_norms: HeadNorms::None,
        norms: NormPlaces::Before,
        activated: Activated { key: "hidden_act", by: Activation::Silu, name: "silu" },
        gains_plus_one: false,
        scales_embedding: false,
        local_theta: false,
        partial_rotary: false,
        fused: false,
        read: |_, _| Ok(()),
        write: layer_types::write,
    };

    /// The family of a `model_type`.
    pub(crate) fn of(model_type: &str) -> Option<&'static Self> {
        FAMILIES.into_iter().find(|rules| rules.model_type == model_type)
    }

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

/// A key that is true or false, and false where it is not there.
pub(super) fn flag(raw: &ConfigJson, key: &'static str) -> Result<bool, Unsupported> {
    config_json::flag(raw, key, false)
}

/// The largest of these numbers: what a GGUF file can say, and more than any text has tokens.
const LARGEST: u64 = u32::MAX as u64;

/// A key that is a whole number above 0, or null; `missing` where it is not there.
pub(super) fn size(
    raw: &ConfigJson,
    key: &'static str,
    missing: Option<usize>,
) -> Result<Option<usize>, Unsupported> {
    match raw.get(key) {
        None => Ok(missing),
        Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| (1..=LARGEST).contains(number)) {
            Some(number) => Ok(Some(number as usize)),
            None => Err((key, format!("{value} is not a whole number above 0 and up to {LARGEST}"))),
        },
    }
}
