//! What can go wrong while evaluating.

/// Errors of evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A loss that is NaN or infinite.
    #[error(
        "block {block}: the loss is {value}; are the weights damaged, or did half precision overflow? try --dtype f32"
    )]
    NotFinite {
        /// The block, from 0.
        block: usize,
        /// Its loss.
        value: f64,
    },
    /// A picture of nothing.
    #[error("`{panel}` has no point to plot; was the model made with --no-regularize?")]
    NothingToPlot {
        /// The panel's title.
        panel: String,
    },
    /// A picture that could not be drawn.
    #[error("the picture could not be drawn: {reason}")]
    Plot {
        /// What the backend says.
        reason: String,
    },
    /// Nothing to evaluate on.
    #[error("there is no block to evaluate on")]
    NoData,
    /// An error of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
}
