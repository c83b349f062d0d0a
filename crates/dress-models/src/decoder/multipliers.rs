//! What a family multiplies beside its weights.

/// What is multiplied beside the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Multipliers {
    /// What leaves the embedding.
    pub embedding: f64,
    /// What attention and feed-forward network add to the stream.
    pub residual: f64,
    /// The scores, where that is not one by the root of the heads' width.
    pub attention: Option<f64>,
    /// The logits.
    pub logits: f64,
}

impl Multipliers {
    /// Nothing is multiplied.
    pub const NONE: Self = Self { embedding: 1.0, residual: 1.0, attention: None, logits: 1.0 };
}

/// What keeps numbers within bounds: `cap * tanh(number / cap)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SoftCaps {
    /// Of the scores.
    pub attention: Option<f64>,
    /// Of the logits.
    pub logits: Option<f64>,
}
