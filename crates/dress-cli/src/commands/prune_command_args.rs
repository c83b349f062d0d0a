//! The options of `dress prune` as a command: those of a run, and what is done around it.

use super::PruneArgs;
use super::dry_run::DryRunArgs;
use super::quality_args::QualityArgs;
use super::short_help::FIRST;
use super::watch_args::WatchArgs;
use crate::Error;
use clap::{ArgGroup, Args};
use std::time::Instant;

/// Options of `dress prune`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(FIRST).multiple(true).args([
    "model", "out", "calibration", "axis", "ratio", "params", "protect", "for", "compensate", "no_regularize",
    "validate", "dry_run",
]))]
pub struct PruneCommandArgs {
    #[command(flatten)]
    run: PruneArgs,
    #[command(flatten)]
    quality: QualityArgs,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

impl PruneCommandArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let text_field = self.run.checkpoint.calibration.text_field.as_deref();
        let mut prune = self.run.settings(self.quality.settings(text_field))?;
        prune.tensorboard = self.watch.tensorboard;
        if self.dry_run.dry_run {
            return prune.dry_run();
        }
        match prune.by_parts.take() {
            Some(by_parts) => prune.run_by_parts(&by_parts, began),
            None => prune.run(began),
        }
    }
}
