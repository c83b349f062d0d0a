//! Whatever can go wrong between opening a checkpoint and saving the smaller one.

/// Errors of the whole path: those of the crates behind it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
    /// Of finding a device.
    #[error(transparent)]
    Machine(#[from] dress_machine::Error),
    /// Of models and checkpoints.
    #[error(transparent)]
    Models(#[from] dress_models::Error),
    /// Of corpora and tokenizers.
    #[error(transparent)]
    Data(#[from] dress_data::Error),
    /// Of selecting and slicing.
    #[error(transparent)]
    Prune(#[from] dress_prune::Error),
    /// Of measuring.
    #[error(transparent)]
    Eval(#[from] dress_eval::Error),
}
