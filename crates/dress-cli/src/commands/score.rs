//! `dress score`.

use super::dry_run::{DryRun, FEW, on_few_of};
use super::selection_table::SelectionTable;
use super::size_warnings::{warn_of_loss, warn_of_rounding};
use crate::{Error, PlaceLock, RunContext, check_own_file_place, quoted, shown_progress, write_result};
use dress::{StageTimes, stage_factor};
use dress_core::{Calibration, Parts, Progress, SlicePlan};
use dress_importance::Criteria;
use dress_models::{Checkpoint, CheckpointParts};
use dress_prune::{PruneConfig, Recipe, ResolvedRecipe, axes, plan, plan_of_scores};
use dress_study::TextSource;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What `dress score` does.
#[derive(Debug)]
pub(super) struct Score {
    /// What is scored.
    pub checkpoint: Checkpoint,
    /// How much of what would go, and by which criteria.
    pub recipe: Recipe,
    /// The text that is looked at, where there is one.
    pub text: Option<TextSource>,
    /// Where the plan goes.
    pub out: PathBuf,
    /// Whether the checkpoint is read one layer at a time.
    pub stream: bool,
    /// Whether a plan that is there is replaced.
    pub force: bool,
    /// Where it is computed.
    pub context: RunContext,
}

impl Score {
    pub fn run(self) -> Result<(), Error> {
        let context = &self.context;
        check_own_file_place(&self.out, self.force, "plan", is_plan)?;
        let _lock = PlaceLock::take(&self.out)?;
        let (resolved, calibration) = self.resolved()?;
        let rounded = warn_of_rounding(&resolved, self.checkpoint.declared())?;
        let mut plan = self.plan(&resolved, &calibration, &shown_progress())?;
        warn_of_loss(self.checkpoint.declared(), &plan.selection, &resolved);
        plan.fingerprint = self.checkpoint.fingerprint()?;
        write_result(&self.out, plan.to_json().as_bytes(), self.force)?;
        let table = SelectionTable::of(self.checkpoint.declared(), &plan.selection)?;
        let report = json!({
            "plan": self.out.display().to_string(),
            "criterion": plan.criterion,
            "fingerprint": plan.fingerprint,
            "scores": plan.scores,
            "parameters_before": table.parameters[0],
            "parameters": table.parameters[1],
        });
        context.output.print(&report, || {
            let out = quoted(&self.out.display().to_string());
            format!(
                "{table}\n{rounded}by {}, written to {}\n\nnext: dress plot {out} --out {}",
                plan.criterion,
                self.out.display(),
                quoted(&self.out.with_extension("svg").display().to_string())
            )
        })
    }

    /// Says what would be selected and what scoring would take, and writes nothing.
    pub fn dry_run(self) -> Result<(), Error> {
        let (resolved, calibration) = self.resolved()?;
        let whole = calibration.blocks.len();
        let few = FEW.min(whole);
        let provenance = calibration.provenance.clone();
        let blocks = Calibration { blocks: calibration.blocks[..few].to_vec(), provenance };
        let (began, shown) = (Instant::now(), shown_progress());
        let times = StageTimes::new(&shown);
        let plan = self.plan(&resolved, &blocks, &times)?;
        let estimate = times.estimate(began.elapsed().as_secs_f64(), |timed| {
            stage_factor(&timed.stage, [few, whole], [1, 1])
        });
        let dense = self.checkpoint.declared();
        let (path, formats, rehearsed) =
            (self.checkpoint.path(), &self.recipe.served_by, on_few_of(few, whole));
        DryRun::of_selection(path, dense, &plan.selection, formats, estimate, rehearsed)?
            .print(self.context.output)
    }

    /// What is scored by what, and the blocks that are looked at.
    fn resolved(&self) -> Result<(ResolvedRecipe, Calibration), Error> {
        let context = &self.context;
        let resolved = self.recipe.resolve(self.checkpoint.declared(), context.compute.dtype.dtype())?;
        let blocks = |text: &TextSource| text.blocks(&self.checkpoint, &self.recipe.sampling, context.seed);
        let calibration = self.text.as_ref().map(blocks).transpose()?.unwrap_or_default();
        if resolved.criteria.needs_calibration() && calibration.blocks.is_empty() {
            return Err(Error::NeedsCalibration { criterion: resolved.criteria.name().into() });
        }
        Ok((resolved, calibration))
    }

    fn plan(
        &self,
        ResolvedRecipe { criteria, config, .. }: &ResolvedRecipe,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<SlicePlan, Error> {
        match self.stream {
            true => self.plan_by_parts(criteria, calibration, config, progress),
            false => {
                let model = self.context.load(self.checkpoint.path())?;
                Ok(plan(&model, criteria, calibration, config, progress)?)
            }
        }
    }

    fn plan_by_parts(
        &self,
        criteria: &Criteria,
        calibration: &Calibration,
        config: &PruneConfig,
        progress: &dyn Progress,
    ) -> Result<SlicePlan, Error> {
        let compute = &self.context.compute;
        let parts = CheckpointParts::open(self.checkpoint.path(), &compute.load_config(), &compute.device)?;
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
