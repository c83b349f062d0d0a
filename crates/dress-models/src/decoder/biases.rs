//! Which projections of a layer have biases.

/// Which projections of a layer have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Biases {
    /// Those of queries, keys and values.
    pub heads: bool,
    /// That from the heads back to the stream.
    pub attention_output: bool,
    /// All three of the feed-forward network.
    pub feed_forward: bool,
}

impl Biases {
    /// None.
    pub const NONE: Self = Self { heads: false, attention_output: false, feed_forward: false };

    /// All that `attention_bias` and `mlp_bias` of LLaMA's configuration speak of.
    pub(crate) fn of_keys(attention_bias: bool, mlp_bias: bool) -> Self {
        Self { heads: attention_bias, attention_output: attention_bias, feed_forward: mlp_bias }
    }

    /// Those of either.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            heads: self.heads || other.heads,
            attention_output: self.attention_output || other.attention_output,
            feed_forward: self.feed_forward || other.feed_forward,
        }
    }
}
