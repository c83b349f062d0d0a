//! Checkpoints of which one part at a time is in memory.

use crate::checkpoint::{LoadConfig, PartialLoad, declare, fingerprint};
use crate::{AnyModel, Error, Family};
use burn::tensor::Device;
use dress_core::{Fingerprint, Parts};
use std::path::{Path, PathBuf};

/// A checkpoint whose parts are read when they are needed and dropped after.
pub struct CheckpointParts<F = AnyModel> {
    declared: F,
    directory: PathBuf,
    load: PartialLoad,
}

impl CheckpointParts {
    /// Opens a checkpoint of one of the families here; nothing but its headers is read.
    ///
    /// # Errors
    /// Those of [`AnyModel::load`], but of the numbers.
    ///
    /// # Examples
    /// ```
    /// use dress_core::{Calibration, NoProgress, NoTap, burn::tensor::Device, forward_by_parts};
    /// use dress_models::{CheckpointParts, LoadConfig};
    ///
    /// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
    /// let parts = CheckpointParts::open(directory.as_ref(), &LoadConfig::default(), &Device::flex())?;
    /// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
    /// // One layer at a time is in memory.
    /// forward_by_parts(&parts, &calibration, &mut NoTap, "an example", &NoProgress)?;
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn open(directory: &Path, config: &LoadConfig, device: &Device) -> Result<Self, Error> {
        Self::open_as(directory, config, device)
    }
}

impl<F: Family> CheckpointParts<F> {
    /// Opens a checkpoint of the family `F`; nothing but its headers is read.
    ///
    /// # Errors
    /// Those of [`load_model`](crate::checkpoint::load_model), but of the numbers.
    pub fn open_as(directory: &Path, config: &LoadConfig, device: &Device) -> Result<Self, Error> {
        let declared = declare::<F>(directory, device)?;
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

impl<F: Family> Parts for CheckpointParts<F> {
    type Model = F;

    fn declared(&self) -> &F {
        &self.declared
    }

    fn filled(&self, wanted: &dyn Fn(&str) -> bool) -> Result<F, dress_core::Error> {
        let model = self.load.fill(self.declared.clone(), wanted);
        model.map_err(|error| dress_core::Error::Part(Box::new(error)))
    }
}
