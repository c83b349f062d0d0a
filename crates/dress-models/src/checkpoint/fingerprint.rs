//! The fingerprint of files.

use super::Weights;
use super::load::match_names;
use crate::{AnyModel, Error};
use dress_core::Fingerprint;
use std::path::Path;

/// More than a fingerprint looks at of one tensor.
const BYTES: usize = 4096;

/// The fingerprint of a checkpoint's files: that of the model they hold, from the few bytes it is made of.
/// `declared` is the model of the directory's configuration; it need not have its weights.
///
/// # Errors
/// Those of [`Weights::open`] and [`Error::Names`].
pub fn fingerprint(declared: &AnyModel, directory: &Path) -> Result<Fingerprint, Error> {
    let files = Weights::open(directory)?;
    let mut builder = Fingerprint::builder();
    for (name, filed) in match_names(declared, &files)? {
        // The numbers that count are the first; the pages of the others are left where they are.
        let raw = match &files {
            Weights::Safetensors(files) => files.read_start(&filed, BYTES)?,
            files => files.get(&filed)?,
        };
        let Some(raw) = raw else { continue };
        let Some(element) = raw.element else {
            return Err(Error::TensorType { file: raw.file, tensor: filed, found: raw.element_name });
        };
        let numbers = raw.bytes.chunks_exact(element.size()).map(|n| element.read(n));
        builder.add(&name, &raw.shape, numbers);
    }
    Ok(builder.finish())
}
