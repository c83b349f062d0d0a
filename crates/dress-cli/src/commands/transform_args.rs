//! The options of every command that makes one checkpoint from another.

use super::CommonArgs;
use super::common_args::CalibrationArgs;
use crate::{Error, PlaceLock, check_place, locate};
use clap::Args;
use dress_core::Calibration;
use dress_models::checkpoint::check_output;
use dress_models::{AnyModel, SaveConfig};
use std::path::PathBuf;

/// From which checkpoint, with which text, to where.
#[derive(Debug, Clone, Args)]
pub struct TransformArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    pub model: PathBuf,
    #[command(flatten)]
    pub calibration: CalibrationArgs,
    /// Where the new checkpoint goes.
    #[arg(long)]
    pub out: PathBuf,
    /// Replace the checkpoint at --out.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub common: CommonArgs,
}

impl TransformArgs {
    /// Finds the checkpoint, locks the result's place and sees that the result can be put in its place, before any work is done.
    ///
    /// # Errors
    /// Those of [`locate`], of [`check_place`] and of [`check_output`].
    pub fn open(&mut self) -> Result<Option<PlaceLock>, Error> {
        self.model = locate(&self.model)?;
        check_place(&self.out)?;
        let lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(&self.model), self.force)?;
        Ok(lock)
    }

    /// The calibration blocks, none without a corpus.
    ///
    /// # Errors
    /// Those of [`CalibrationArgs::blocks`].
    pub fn blocks(&self) -> Result<Calibration, Error> {
        self.calibration.blocks(&self.model, self.common.seed)
    }

    /// The calibration blocks, of which `who` needs some.
    ///
    /// # Errors
    /// Those of [`CalibrationArgs::blocks`], and [`dress_core::Error::CalibrationEmpty`].
    pub fn blocks_for(&self, who: &str) -> Result<Calibration, Error> {
        let calibration = self.blocks()?;
        if calibration.blocks.is_empty() {
            return Err(dress_core::Error::CalibrationEmpty { who: who.into() }.into());
        }
        Ok(calibration)
    }

    /// The model.
    ///
    /// # Errors
    /// Those of [`CommonArgs::load`].
    pub fn load(&self) -> Result<AnyModel, Error> {
        self.common.load(&self.model)
    }

    /// How the result is saved.
    pub fn saving(&self) -> SaveConfig {
        SaveConfig {
            source: Some(self.model.clone()),
            force: self.force,
            keep: true,
            ..SaveConfig::default()
        }
    }
}
