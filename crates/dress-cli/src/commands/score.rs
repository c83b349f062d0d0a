//! `dress score`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, SelectArgs};
use crate::{Error, PlaceLock, TerminalProgress, check_own_file_place, locate, write_result};
use clap::Args;
use dress_core::{Basis, Calibration, Parts, Progress, SlicePlan};
use dress_importance::Criteria;
use dress_models::{Checkpoint, CheckpointParts, LoadConfig};
use dress_prune::{HowMuch, PruneConfig, Recipe, ResolvedRecipe, axes, plan, plan_of_scores};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Options of `dress score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where the plan goes.
    #[arg(long)]
    out: PathBuf,
    /// Read the checkpoint one block at a time: memory holds one block and the calibration's residual stream.
    /// Not for criteria that need gradients.
    #[arg(long)]
    stream: bool,
    /// Replace the plan that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl ScoreArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        check_own_file_place(&self.out, self.force, "plan", is_plan)?;
        let _lock = PlaceLock::take(&self.out)?;
        let checkpoint = Checkpoint::at(&self.model)?;
        let recipe = self.select.recipe(checkpoint.declared(), self.common.seed)?.without_training();
        if matches!(recipe.how_much, HowMuch::Searched { .. }) {
            return Err(Error::NothingToScore);
        }
        let recipe = Recipe { basis: Some(Basis::Identity), ..recipe };
        let ResolvedRecipe { criteria: scorer, config, .. } =
            recipe.resolve(checkpoint.declared(), self.common.dtype().dtype())?;
        let calibration = self.calibration.blocks(&self.model, self.common.seed)?;
        if scorer.needs_calibration() && calibration.blocks.is_empty() {
            return Err(Error::NeedsCalibration { criterion: scorer.name().into() });
        }
        let progress = TerminalProgress::default();
        let mut plan = match self.stream {
            true => self.plan_by_parts(&scorer, &calibration, &config, &progress)?,
            false => plan(&self.common.load(&self.model)?, &scorer, &calibration, &config, &progress)?,
        };
        plan.fingerprint = checkpoint.fingerprint()?;
        write_result(&self.out, plan.to_json().as_bytes(), self.force)?;
        let report = json!({
            "plan": self.out.display().to_string(),
            "criterion": plan.criterion,
            "fingerprint": plan.fingerprint,
            "scores": plan.scores,
        });
        self.common.output().print(&report, || format!("plan written to {}", self.out.display()))?;
        Ok(())
    }

    fn plan_by_parts(
        &self,
        criteria: &Criteria,
        calibration: &Calibration,
        config: &PruneConfig,
        progress: &dyn Progress,
    ) -> Result<SlicePlan, Error> {
        let load = LoadConfig { dtype: self.common.dtype() };
        let parts = CheckpointParts::open(&self.model, &load, &self.common.device()?)?;
        let axes = axes(parts.declared(), &config.targets)?;
        let scores = criteria.score_by_parts(&parts, calibration, &axes, progress)?;
        let data = criteria.needs_calibration().then(|| calibration.provenance.clone());
        let fingerprint = parts.fingerprint()?;
        Ok(plan_of_scores(parts.declared(), fingerprint, criteria.name(), data, &scores, config)?)
    }
}

fn is_plan(path: &Path) -> bool {
    dress_core::files::read_to_string(path).is_ok_and(|text| SlicePlan::from_json(&text, path).is_ok())
}
