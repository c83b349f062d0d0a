//! The fingerprint of files.

use super::Weights;
use super::tensor_names::match_names;
use crate::{Error, Family};
use dress_core::Fingerprint;
use std::path::Path;

/// The fingerprint of a checkpoint's files: that of the model they hold, from the few bytes it is made of.
/// `declared` is the model of the directory's configuration; it need not have its weights.
///
/// # Errors
/// Those of [`Weights::open`] and [`Error::Names`].
///
/// # Examples
/// ```
/// use dress_core::{Fingerprint, burn::tensor::Device};
/// use dress_models::checkpoint::{declare, fingerprint};
/// use dress_models::{AnyModel, LoadConfig};
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// let of_files = fingerprint(&declare::<AnyModel>(directory.as_ref(), &Device::flex())?, directory.as_ref())?;
/// let model = AnyModel::load(directory.as_ref(), &LoadConfig::default(), &Device::flex())?;
/// assert_eq!(of_files, Fingerprint::of(&model));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn fingerprint<F: Family>(declared: &F, directory: &Path) -> Result<Fingerprint, Error> {
    let files = Weights::open_for(declared, directory)?;
    let mut builder = Fingerprint::builder();
    for (name, filed) in match_names(declared, &files)? {
        let Some(raw) = files.sampled(&filed)? else { continue };
        let Some(element) = raw.element else {
            return Err(Error::TensorType { file: raw.file, tensor: filed, found: raw.element_name });
        };
        let numbers = raw.bytes.chunks_exact(element.size()).map(|n| element.read(n));
        builder.add(&name, &raw.shape, numbers);
    }
    Ok(builder.finish())
}
