//! A checkpoint opened by where it is.

use crate::checkpoint::{fingerprint, read_config};
use crate::{AnyModel, Error, LoadConfig};
use dress_core::Fingerprint;
use dress_core::burn::tensor::Device;
use std::path::{Path, PathBuf};

/// A checkpoint whose place and configuration are known: a directory or a GGUF file, its weights still on disk.
///
/// ```
/// use dress_core::CausalLm;
/// use dress_models::Checkpoint;
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// let checkpoint = Checkpoint::open(directory)?;
/// assert_eq!(checkpoint.declared().architecture(), "opt");
/// # Ok::<(), dress_models::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoint {
    path: PathBuf,
    declared: AnyModel,
}

impl Checkpoint {
    /// Opens a directory or a GGUF file, or with the feature `hub` what `owner/name` or `owner/name@revision` is on the
    /// Hugging Face hub, by the settings in the environment.
    ///
    /// # Errors
    /// Those of [`Checkpoint::at`]; with the feature `hub`, those of [`HubConfig::locate`](crate::hub::HubConfig::locate) too.
    pub fn open(model: impl AsRef<Path>) -> Result<Self, Error> {
        #[cfg(feature = "hub")]
        let found = crate::hub::HubConfig::from_env().locate(model.as_ref())?;
        #[cfg(not(feature = "hub"))]
        let found = model.as_ref();
        Self::at(found)
    }

    /// Opens the directory or the GGUF file at `path`.
    ///
    /// # Errors
    /// [`Error::NoModel`] where there is nothing, and those of [`read_config`] and [`AnyModel::from_config`].
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if !path.exists() {
            return Err(Error::NoModel { path });
        }
        let (text, file) = read_config(&path)?;
        let declared = AnyModel::from_config(&text, &file, &Device::flex())?;
        Ok(Self { path, declared })
    }

    /// The directory or the GGUF file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model that the configuration describes, without its weights.
    pub fn declared(&self) -> &AnyModel {
        &self.declared
    }

    /// The model with its weights.
    ///
    /// # Errors
    /// Those of [`AnyModel::load`].
    pub fn load(&self, config: &LoadConfig, device: &Device) -> Result<AnyModel, Error> {
        AnyModel::load(&self.path, config, device)
    }

    /// The fingerprint of the files' weights, which is the same whatever type they are loaded as.
    ///
    /// # Errors
    /// Those of [`fingerprint()`].
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        fingerprint(&self.declared, &self.path)
    }

    /// The tokenizer of the directory, or the one that the GGUF file's metadata makes.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], and those of [`GgufCheckpoint::tokenizer_json`](crate::gguf::GgufCheckpoint::tokenizer_json).
    #[cfg(feature = "tokenizer")]
    pub fn tokenizer(&self) -> Result<dress_data::Tokenizer, Error> {
        if self.path.is_dir() {
            return Ok(dress_data::Tokenizer::from_directory(&self.path)?);
        }
        let json = crate::gguf::GgufCheckpoint::open(&self.path)?.tokenizer_json()?;
        Ok(dress_data::Tokenizer::from_bytes(json.as_bytes(), &self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_and_what_is_no_checkpoint_are_said_at_once() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(Checkpoint::open(place.path().join("none")), Err(Error::NoModel { .. })));
        assert!(matches!(Checkpoint::open(place.path()), Err(Error::ConfigMissing { .. })));
    }
}
