//! What can go wrong while training.

use std::fmt;
use std::path::PathBuf;

/// Errors of the training loop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A loss or a gradient became NaN or infinite.
    #[error(
        "step {step}: the {what} is {value}; {saved}; lower `learning_rate` or `lambda`, or train in f32"
    )]
    Diverged {
        /// The optimizer step, from 0.
        step: usize,
        /// `loss`, `penalty` or `gradient norm`.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What is left of the run.
        saved: Saved,
    },
    /// A model that training has made worse than one that has learnt nothing.
    #[error(
        "after {steps} steps the loss on the blocks of the first step is {loss:.3}, where it began at {start:.3} and a model that knows nothing has {nothing:.3}: training diverged, and nothing of it is kept; lower `learning_rate`, which rose to {learning_rate}, or warm up for longer"
    )]
    Lost {
        /// Steps that were done.
        steps: usize,
        /// The loss after them, in the unit of the objective.
        loss: f64,
        /// The loss before them, on the same blocks.
        start: f64,
        /// The loss of a model that knows nothing.
        nothing: f64,
        /// The highest learning rate.
        learning_rate: f64,
    },
    /// Factors of more rank than any matrix has that they are for.
    #[error(
        "`lora_rank` is {rank}: the matrices that get factors have a rank of at most {most}; give less, or train all weights"
    )]
    LoraRank {
        /// The rank as given.
        rank: usize,
        /// The most that any of the matrices can have.
        most: usize,
    },
    /// Nothing to train on.
    #[error(
        "there is no block to train on; give a calibration corpus with at least one block of `seqlen` tokens"
    )]
    NoData,
    /// A setting that makes no sense.
    #[error("`{setting}` is {value}: {expected}")]
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
    #[error("this model has no projection `{target}` inside its layers; it has {}", .known.join(", "))]
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
    /// A teacher that cannot read what its student is trained on.
    #[error(
        "the model to learn from cannot see this text: {cause}; learn from the model that this one was sliced out of, and give blocks that both can take"
    )]
    TeacherCannotRead {
        /// What does not fit.
        cause: dress_core::Error,
    },
    /// A teacher of another vocabulary.
    #[error(
        "the model to learn from has {teacher} tokens and this one {student}; learn from the model that this one was sliced out of"
    )]
    TeacherVocabulary {
        /// The teacher's tokens.
        teacher: usize,
        /// The student's.
        student: usize,
    },
    /// A checkpoint that cannot be read.
    #[error("{path}: not a checkpoint to go on from: {reason}; remove it, or give `force`, to train from the start", path = .path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of another run.
    #[error("{path}: a run with {what} was interrupted there; repeat its command to go on with it, or give `force` (or remove the directory) to start anew", path = .path.display())]
    AnotherRun {
        /// The run's directory.
        path: PathBuf,
        /// What the runs differ in.
        what: String,
    },
    /// A teacher's outputs on disk that are not what was written.
    #[error("{path}: not what was written there ({reason}); remove it, or give `force`, to have the teacher's outputs computed again", path = .path.display())]
    TeacherCache {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A teacher's outputs that another process writes.
    #[error("{path}: another run is making it; wait for its end, or give this run a cache of its own", path = .path.display())]
    TeacherCacheInUse {
        /// The file.
        path: PathBuf,
    },
    /// Streams on disk that are not what was written.
    #[error("{path}: not what was written there ({reason}); remove it, or give `force` to the command that wrote it, to have the streams computed again", path = .path.display())]
    StreamFile {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// What the optimizer keeps could not be read, written or cut.
    #[error("the optimizer's state cannot be kept: {reason}; train again from the start, and report this")]
    OptimizerState {
        /// What Burn says.
        reason: String,
    },
    /// A file of the run that could not be written.
    #[error("{path}: {cause}; free some space or choose another place", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Weights, or what the optimizer keeps, could not be saved.
    #[error("{path} could not be saved: {reason}; free some space or choose another place", path = .path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// What Burn says.
        reason: String,
    },
    /// What computing layers again leaves no way to have.
    #[error(
        "{0} needs the activations of all layers at once; gradient checkpointing can be `operations` or `none` then, not `layers`"
    )]
    NotByLayers(&'static str),
    /// An error of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
}

/// What is left of a run that diverged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// The weights from before the step, all of them finite, in a file.
    Weights(PathBuf),
    /// A checkpoint, the weights from before the step not being finite.
    Checkpoint {
        /// Where it is.
        path: PathBuf,
        /// The steps that were done.
        steps: usize,
    },
    /// Nothing: the weights from before the step are not finite, and there was no checkpoint yet.
    NoCheckpoint,
    /// Nothing: the run had no directory.
    NoDirectory,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Saved::Weights(path) => write!(f, "the weights from before it are in {}", path.display()),
            Saved::Checkpoint { path, steps } => {
                let path = path.display();
                write!(
                    f,
                    "the weights from before it are not finite either, those after {steps} steps are in {path}"
                )
            }
            Saved::NoCheckpoint => f.write_str(
                "the weights from before it are not finite either, and there was no checkpoint yet",
            ),
            Saved::NoDirectory => {
                f.write_str("the run had no directory to save the weights from before it in")
            }
        }
    }
}
