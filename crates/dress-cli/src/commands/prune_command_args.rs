//! The options of `dress prune` as a command: those of a run, and what is done around it.

use super::PruneArgs;
use super::quality_args::QualityArgs;
use crate::Error;
use clap::Args;
use std::time::Instant;

/// Options of `dress prune`.
#[derive(Debug, Args)]
pub struct PruneCommandArgs {
    #[command(flatten)]
    run: PruneArgs,
    #[command(flatten)]
    quality: QualityArgs,
}

impl PruneCommandArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let text_field = self.run.checkpoint.calibration.text_field.as_deref();
        self.run.settings(self.quality.settings(text_field))?.run(began)
    }
}
