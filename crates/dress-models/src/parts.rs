//! Checkpoints of which one part at a time is in memory.

use crate::checkpoint::{LoadConfig, PartialLoad, fingerprint, read_config};
use crate::{AnyModel, Error};
use burn::tensor::Device;
use dress_core::{Fingerprint, Parts};
use std::path::{Path, PathBuf};

/// A checkpoint whose parts are read when they are needed and dropped after.
pub struct CheckpointParts {
    declared: AnyModel,
    directory: PathBuf,
    load: PartialLoad,
}

impl CheckpointParts {
    /// Opens a checkpoint; nothing but its headers is read.
    ///
    /// # Errors
    /// Those of [`AnyModel::load`], but of the numbers.
    pub fn open(directory: &Path, config: &LoadConfig, device: &Device) -> Result<Self, Error> {
        let (text, path) = read_config(directory)?;
        let declared = AnyModel::from_config(&text, &path, device)?;
        let load = PartialLoad::open(&declared, directory, config, device)?;
        Ok(Self { declared, directory: directory.into(), load })
    }

    /// The fingerprint of the whole.
    ///
    /// # Errors
    /// Those of [`fingerprint()`].
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        fingerprint(&self.declared, &self.directory)
    }
}

impl Parts for CheckpointParts {
    type Model = AnyModel;

    fn declared(&self) -> &AnyModel {
        &self.declared
    }

    fn filled(&self, wanted: &dyn Fn(&str) -> bool) -> Result<AnyModel, dress_core::Error> {
        let model = self.load.fill(self.declared.clone(), wanted);
        model.map_err(|error| dress_core::Error::Part(Box::new(error)))
    }
}
