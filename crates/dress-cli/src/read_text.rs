//! Files that other commands wrote.

use crate::Error;
use std::path::Path;

/// Reads a text file; `wanted` is what the user should give where that cannot be done.
///
/// # Errors
/// [`Error::Unreadable`].
pub fn read_text(path: &Path, wanted: &'static str) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.into(), wanted, source })
}
