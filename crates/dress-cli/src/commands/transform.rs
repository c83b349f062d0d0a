//! Making one checkpoint from another.

use crate::{Error, PlaceLock, RunContext, check_place};
use dress_core::Calibration;
use dress_models::checkpoint::check_output;
use dress_models::{AnyModel, Checkpoint, SaveConfig};
use dress_prune::Sampling;
use dress_study::TextSource;
use std::path::{Path, PathBuf};

/// From which checkpoint, with which text, to where.
#[derive(Debug, Clone)]
pub(super) struct Transform {
    /// The checkpoint as given.
    pub given: PathBuf,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The text that is looked at, where there is one.
    pub text: Option<TextSource>,
    /// How it is drawn.
    pub sampling: Sampling,
    /// Where the new checkpoint goes.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// Where it is computed.
    pub context: RunContext,
}

impl Transform {
    /// Where the checkpoint is.
    pub fn model(&self) -> &Path {
        self.checkpoint.path()
    }

    /// Locks the result's place and sees that the result can be put in its place, before any work is done.
    ///
    /// # Errors
    /// Those of [`check_place`] and of [`check_output`].
    pub fn lock(&self) -> Result<Option<PlaceLock>, Error> {
        check_place(&self.out)?;
        let lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(self.model()), self.force)?;
        Ok(lock)
    }

    /// The calibration blocks, of which `who` needs some.
    ///
    /// # Errors
    /// Those of [`TextSource::blocks`], and [`dress_core::Error::CalibrationEmpty`].
    pub fn blocks_for(&self, who: &str) -> Result<Calibration, Error> {
        Ok(self.blocks_and_held_back(who, 0)?.0)
    }

    /// The same, and up to `held_back` blocks that share no text with them.
    ///
    /// # Errors
    /// Those of [`Transform::blocks_for`].
    pub fn blocks_and_held_back(
        &self,
        who: &str,
        held_back: usize,
    ) -> Result<(Calibration, Calibration), Error> {
        let blocks = |text: &TextSource| {
            text.blocks_and_held_back(&self.checkpoint, &self.sampling, self.context.seed, held_back)
        };
        let (calibration, more) = self.text.as_ref().map(blocks).transpose()?.unwrap_or_default();
        if calibration.blocks.is_empty() {
            return Err(dress_core::Error::CalibrationEmpty { who: who.into() }.into());
        }
        Ok((calibration, more))
    }

    /// The model.
    ///
    /// # Errors
    /// Those of [`RunContext::load`].
    pub fn load(&self) -> Result<AnyModel, Error> {
        self.context.load(self.model())
    }

    /// How the result is saved.
    pub fn saving(&self) -> SaveConfig {
        SaveConfig {
            source: Some(self.model().into()),
            force: self.force,
            keep: true,
            ..SaveConfig::default()
        }
    }
}
