//! The options of `dress score`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, HOW_IT_RUNS, RESULT};
use super::dry_run::DryRunArgs;
use super::score::Score;
use super::select_args::SelectArgs;
use super::short_help::FIRST;
use crate::{Error, locate};
use clap::{ArgGroup, Args};
use dress_core::Basis;
use dress_models::Checkpoint;
use dress_prune::Recipe;
use std::path::PathBuf;

/// Options of `dress score`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(FIRST).multiple(true).args([
    "calibration", "axis", "ratio", "params", "protect", "criterion", "dry_run",
]))]
pub struct ScoreArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long, group = FIRST)]
    model: PathBuf,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where the plan goes.
    #[arg(long, help_heading = RESULT, group = FIRST)]
    out: PathBuf,
    /// Read the checkpoint one layer at a time: memory holds one layer and the calibration's residual stream.
    /// Not for criteria that need gradients.
    #[arg(long, help_heading = HOW_IT_RUNS, group = FIRST)]
    stream: bool,
    /// Replace the plan that is there.
    #[arg(long, help_heading = RESULT)]
    force: bool,
    #[command(flatten)]
    dry_run: DryRunArgs,
    #[command(flatten)]
    common: CommonArgs,
}

impl ScoreArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let score = self.settings()?;
        if self.dry_run.dry_run { score.dry_run() } else { score.run() }
    }

    /// What they ask for.
    fn settings(&self) -> Result<Score, Error> {
        let checkpoint = Checkpoint::at(locate(&self.model)?)?;
        let recipe = self.select.recipe(checkpoint.declared(), self.common.seed)?.without_training();
        if recipe.how_much.is_searched() {
            return Err(Error::NothingToScore);
        }
        let sampling = self.calibration.sampling();
        Ok(Score {
            checkpoint,
            recipe: Recipe { basis: Some(Basis::Identity), sampling, ..recipe },
            text: self.calibration.text(),
            out: self.out.clone(),
            stream: self.stream,
            force: self.force,
            context: self.common.context()?,
        })
    }
}
