//! Any error of the libraries, and those of the command line itself.

use std::path::PathBuf;

/// Errors of the `dress` command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// As many ratios as axes are needed, or one for all.
    #[error(
        "{axes} axes and {ratios} ratios: give one --ratio for all axes, or one for each in the same order"
    )]
    AxesAndRatios {
        /// Axes given.
        axes: usize,
        /// Ratios given.
        ratios: usize,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is there already.
    #[error("{path}: already exists; choose another place, or give --force to replace it", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A criterion that looks at data, without data.
    #[error(
        "criterion `{criterion}` looks at data: give a corpus with --calibration, or choose magnitude-l1, magnitude-l2 or random"
    )]
    NeedsCalibration {
        /// The criterion.
        criterion: String,
    },
    /// A `dress.json` that is not one.
    #[error("{path}: not a dress.json of this version: {source}; give a directory that `dress prune` wrote", path = .path.display())]
    ResultFile {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
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
    /// Of scorers.
    #[error(transparent)]
    Importance(#[from] dress_importance::Error),
    /// Of selecting and slicing.
    #[error(transparent)]
    Prune(#[from] dress_prune::Error),
    /// Of evaluation.
    #[error(transparent)]
    Eval(#[from] dress_eval::Error),
}
