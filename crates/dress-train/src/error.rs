//! What can go wrong while training.

use std::path::PathBuf;

/// Errors of the training loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A loss or a gradient became NaN or infinite.
    #[error("step {step}: the {what} is {value}; {}; lower the learning rate or lambda, or train in f32", kept(.saved))]
    Diverged {
        /// The optimizer step, from 0.
        step: usize,
        /// `loss`, `penalty` or `gradient norm`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Where the weights from before that step are.
        saved: Option<PathBuf>,
    },
    /// Nothing to train on.
    #[error(
        "there is no block to train on; give a calibration corpus with at least one block of --seqlen tokens"
    )]
    NoData,
    /// A setting that makes no sense.
    #[error("{setting} is {value}: {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A name that is none of a few.
    #[error("`{name}` is no {what}; use {known}")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The names there are.
        known: &'static str,
    },
    /// A LoRA target that is no projection of the model.
    #[error("this model has no projection `{target}` inside its blocks; it has {}", .known.join(", "))]
    NoSuchTarget {
        /// The target as given.
        target: String,
        /// The projections there are.
        known: Vec<String>,
    },
    /// Too few blocks to hold any out.
    #[error(
        "{blocks} block(s) of calibration data cannot be trained on and held out as well; give more samples, or do without early stopping"
    )]
    NothingHeldOut {
        /// Blocks given.
        blocks: usize,
    },
    /// A checkpoint that cannot be read.
    #[error("{path}: not a checkpoint to go on from: {reason}; remove it to train from the start", path = .path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of another run.
    #[error("{path}: a run with {what} was interrupted there; repeat its command to go on with it, or give --force (or remove the directory) to start anew", path = .path.display())]
    AnotherRun {
        /// The run's directory.
        path: PathBuf,
        /// What the runs differ in.
        what: String,
    },
    /// What the optimizer keeps could not be read, written or cut.
    #[error("the optimizer's state cannot be kept: {reason}; train again from the start, and report this")]
    OptimizerState {
        /// What Burn says.
        reason: String,
    },
    /// A file of the run that could not be written.
    #[error("{path}: {source}; free some space or choose another place", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The last good weights could not be saved.
    #[error("{path}: the weights could not be saved: {reason}", path = .path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// What Burn says.
        reason: String,
    },
    /// An error of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
    /// An error of the penalty.
    #[error(transparent)]
    Regularize(#[from] dress_regularize::Error),
}

fn kept(saved: &Option<PathBuf>) -> String {
    match saved {
        Some(path) => format!("the weights from before it are in {}", path.display()),
        None => "the run had no directory to save the weights from before it in".into(),
    }
}
