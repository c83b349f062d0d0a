//! What can go wrong with a table of engines.

use std::path::PathBuf;

/// Errors of reading a table, and of names that are not in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no engine.
    #[error(
        "`{name}` is not an engine of the table; use all, or one of {known}, or add a file of your own with `engines`"
    )]
    UnknownEngine {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A format that the engine does not have.
    #[error("{engine} has no format `{name}` in the table; it has {known}")]
    UnknownFormat {
        /// The engine.
        engine: String,
        /// The format as given.
        name: String,
        /// The formats there are.
        known: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A file that describes no engine.
    #[error("{path}: not a file of an engine: {reason}", path = .path.display())]
    EngineFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
