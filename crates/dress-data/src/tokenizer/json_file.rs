//! The small JSON files beside a tokenizer.

use crate::Error;
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::path::Path;

/// The object in a file of a directory; `None` where there is no such file.
///
/// # Errors
/// [`Error::Io`], and [`Error::TokenizerFile`] where it is no JSON object.
pub(crate) fn read(directory: &Path, name: &str) -> Result<Option<Map<String, Value>>, Error> {
    let path = directory.join(name);
    let text = match dress_core::files::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&cause.kind()) => {
            return Ok(None);
        }
        Err(cause) => return Err(Error::Io { path, cause }),
    };
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(object) => Ok(Some(object)),
        Err(error) => Err(Error::TokenizerFile { path, reason: error.to_string() }),
    }
}
