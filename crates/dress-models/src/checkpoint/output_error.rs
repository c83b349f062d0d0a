//! Why a result cannot be put in its place.

use std::path::PathBuf;

/// What keeps a result from its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// A result that would overwrite something.
    #[error("{path}: already exists; choose another place, or give `force` to replace it", path = .path.display())]
    Exists {
        /// The output directory.
        path: PathBuf,
    },
    /// An output directory with other things in it.
    #[error("{path}: holds `{entry}`, which is no part of a checkpoint and would be lost; choose another place or move it", path = .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What is in it.
        entry: String,
    },
    /// A file where a directory is to be.
    #[error("{path}: is a file, and the result is a directory; choose another place or move the file", path = .path.display())]
    IsFile {
        /// The file.
        path: PathBuf,
    },
    /// An output that would replace what it is made from.
    #[error("{path}: is the checkpoint that is read; choose another place for the result", path = .path.display())]
    IsSource {
        /// The directory.
        path: PathBuf,
    },
    /// An output directory that cannot be renamed.
    #[error("{path}: cannot be replaced, since something is mounted there or it is the current directory; choose a place inside it", path = .path.display())]
    Stuck {
        /// The directory.
        path: PathBuf,
    },
    /// A complete result that could not be put in its place.
    #[error("{path}: cannot be put in its place: {cause}; the complete result is kept in {partial}, move it where it is wanted", path = .path.display(), partial = .partial.display())]
    NotPlaced {
        /// The place.
        path: PathBuf,
        /// Where the result is.
        partial: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
}
