//! The options of every command that makes one checkpoint from another.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, RESULT};
use super::transform::Transform;
use crate::{Error, locate};
use clap::{ArgGroup, Args};
use dress_models::Checkpoint;
use std::path::PathBuf;

/// The group of options of which checkpoint becomes which.
pub(super) const PLACES: &str = "places";

/// From which checkpoint, with which text, to where.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new(PLACES).multiple(true))]
pub struct TransformArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long, group = PLACES)]
    pub model: PathBuf,
    #[command(flatten)]
    pub calibration: CalibrationArgs,
    /// Where the new checkpoint goes.
    #[arg(long, help_heading = RESULT, group = PLACES)]
    pub out: PathBuf,
    /// Replace the checkpoint at --out.
    #[arg(long, help_heading = RESULT, group = PLACES)]
    pub force: bool,
    #[command(flatten)]
    pub common: CommonArgs,
}

impl TransformArgs {
    /// What they ask for, with the checkpoint found and opened.
    ///
    /// # Errors
    /// Those of [`locate`] and of [`CommonArgs::context`].
    pub(super) fn settings(&self) -> Result<Transform, Error> {
        Ok(Transform {
            given: self.model.clone(),
            checkpoint: Checkpoint::at(locate(&self.model)?)?,
            text: self.calibration.text(),
            sampling: self.calibration.sampling(),
            out: self.out.clone(),
            force: self.force,
            context: self.common.context()?,
        })
    }
}
