//! `dress prune`.

use crate::interrupted_run::explain_interrupt;
use crate::{Error, Output, PlaceLock, ResultFile, TerminalProgress, check_place, command_line};
use dress::PrunedCheckpoint;
use dress_core::{KeptOfKind, SlicePlan};
use dress_models::Checkpoint;
use dress_models::checkpoint::check_output;
use dress_study::ablation::PruneRun;
use dress_train::RunDirectory;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// What `dress prune` does.
#[derive(Debug)]
pub(super) struct Prune {
    /// What is pruned.
    pub checkpoint: Checkpoint,
    /// How.
    pub run: PruneRun,
    /// Where the smaller checkpoint goes.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// How the result is reported.
    pub output: Output,
}

impl Prune {
    /// Prunes and saves; `began` is when the command did.
    pub fn run(mut self, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
        let directory = RunDirectory::beside(&self.out);
        self.run.recipe = self.run.recipe.in_directory(&directory);
        if let Some(settings) = &mut self.run.recipe.regularize {
            settings.train.replace_other_run = self.force;
        }
        let job = self.run.job(&self.checkpoint)?;
        let calibration = self.run.blocks(&self.checkpoint)?;
        if job.resolved.is_kept() {
            explain_interrupt(&directory);
        }
        let mut pruned = job.run(&calibration, &TerminalProgress::default())?;
        pruned.result.result.command = Some(command_line());
        self.save(&pruned, &directory)?;
        self.print(&pruned.result.result, began.elapsed().as_secs_f64())
    }

    fn save(&self, pruned: &PrunedCheckpoint, run: &RunDirectory) -> Result<(), Error> {
        pruned.save(&self.out, self.force)?;
        // The curve is in dress.json now, and what the search found in search.json.
        run.remove();
        Ok(())
    }

    fn print(&self, result: &ResultFile, seconds: f64) -> Result<(), Error> {
        let kept: serde_json::Map<String, serde_json::Value> = result
            .plan
            .selection
            .iter()
            .map(|(axis, chosen)| (axis.to_string(), json!([chosen.kept_len(), chosen.len()])))
            .collect();
        let report = json!({
            "parameters_before": result.parameters_before,
            "parameters": result.parameters,
            "seconds": seconds,
            "plan": self.out.join("plan.json").display().to_string(),
            "out": self.out.display().to_string(),
            "criterion": result.plan.criterion,
            "fingerprint": result.plan.fingerprint,
            "kept": kept,
            "slicing_error": result.report.slicing_error,
            "steps": result.report.curve.len(),
            "sliced_after_step": result.report.cut.map(|cut| cut.step + 1),
        });
        self.output.print(&report, || {
            let share = result.parameters as f64 / result.parameters_before as f64 * 100.0;
            let moved = result.report.slicing_error.map_or(String::new(), |error| {
                format!("; the slice itself moved the logits by {error:.1e} of their norm")
            });
            format!(
                "{} -> {} parameters ({share:.1}%) in {seconds:.0} s, written to {}\n{}{moved}",
                result.parameters_before,
                result.parameters,
                self.out.display(),
                kept_text(&result.plan),
            )
        })
    }
}

/// What is left of each kind of axis, as `residual 192 -> 144, ffn 512 -> 384`.
fn kept_text(plan: &SlicePlan) -> String {
    let length = |kind| {
        let of_kind = plan.selection.iter().filter(|(axis, _)| axis.kind() == kind);
        of_kind.map(|(_, chosen)| chosen.len()).max().unwrap_or(0)
    };
    let part = |KeptOfKind { kind, range, .. }: KeptOfKind| match range {
        [least, most] if least == most => format!("{kind} {} -> {least}", length(kind)),
        [least, most] => format!("{kind} {} -> {least} to {most}", length(kind)),
    };
    KeptOfKind::of_plan(plan).into_iter().map(part).collect::<Vec<_>>().join(", ")
}
