//! Files that are either complete or not there.

use crate::Error;
use std::path::Path;

/// Writes a file beside its place and renames it when complete.
///
/// # Errors
/// [`Error::Io`]; nothing is left behind.
pub fn write_beside(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let partial = path.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&partial);
        Error::Io { path: path.into(), source }
    })
}
