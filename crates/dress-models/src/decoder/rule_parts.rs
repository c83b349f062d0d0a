//! What the rules of a family are made of.

use crate::modules::Activation;
use crate::rope_config::RopeDefaults;

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
