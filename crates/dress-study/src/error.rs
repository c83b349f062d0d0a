//! What can go wrong in a study.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A kept result that is not what was written.
    #[error("{path}: a kept result that is damaged ({reason}); remove that file, and the same command measures it again", path = .path.display())]
    DamagedCell {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name that is no cell of a study.
    #[error(
        "`{name}` is no cell of these settings and data; write dense, or a preset and a ratio as flap@0.2"
    )]
    CellName {
        /// The name as given.
        name: String,
    },
    /// A row whose settings do not go.
    #[error("row `{row}`: {cause}")]
    Row {
        /// The row.
        row: String,
        /// Why.
        cause: Box<Error>,
    },
    /// A text that cannot be read twice.
    #[error("{path}: every cell reads the texts again, and this can be read once; write it to a file and give that", path = .path.display())]
    ReadOnce {
        /// What was given.
        path: PathBuf,
    },
    /// A method that looks at data, without data.
    #[error("`{method}` looks at data, and the study has no calibration text; give one")]
    NeedsCalibration {
        /// The method.
        method: String,
    },
    /// A result that is to go where nothing can be.
    #[error("{path}: there is no directory of that name to put the result in; make it, or choose another place", path = .path.display())]
    NoDirectory {
        /// What should be a directory.
        path: PathBuf,
    },
    /// A report that is to go into a checkpoint.
    #[error("{path}: a checkpoint, and no place for a report; choose another directory", path = .path.display())]
    ReportInCheckpoint {
        /// The directory.
        path: PathBuf,
    },
    /// Of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
    /// Of models and checkpoints.
    #[error(transparent)]
    Models(#[from] dress_models::Error),
    /// Of corpora and tokenizers.
    #[error(transparent)]
    Data(#[from] dress_data::Error),
    /// Of selecting and slicing.
    #[error(transparent)]
    Prune(#[from] dress_prune::Error),
    /// Of a run from a checkpoint to a smaller one.
    #[error(transparent)]
    Job(#[from] dress::Error),
    /// Of evaluation.
    #[error(transparent)]
    Eval(#[from] dress_eval::Error),
}
