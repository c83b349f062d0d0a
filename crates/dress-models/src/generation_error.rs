//! Why a text cannot be continued.

/// What keeps a model from continuing a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationError {
    /// No prompt.
    #[error("the prompt is empty, and this tokenizer adds no token to start from; give at least one word")]
    PromptEmpty,
    /// A prompt that leaves no room.
    #[error(
        "a prompt of {prompt} tokens and {new} new ones: this model has {positions} positions; shorten the prompt or lower `max_new_tokens`"
    )]
    PromptLength {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens asked for.
        new: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// A setting of sampling that makes no sense.
    #[error("`{setting}` is {value}: {expected}")]
    Sampling {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A model that says nothing of the next token.
    #[error(
        "the logits after {position} tokens are not finite; load the model as f32 or bf16, or get another copy of the checkpoint"
    )]
    LogitsNotFinite {
        /// Tokens before.
        position: usize,
    },
}
