//! `dress prune`.

use super::by_parts_args::ByParts;
use super::served_by_args::warn_of_loss;
use crate::interrupted_run::explain_interrupt;
use crate::{
    Error, Output, PlaceLock, ResultFile, TerminalProgress, check_place, command_line, stored_bytes,
};
use dress::PrunedCheckpoint;
use dress_core::{KeptOfKind, SlicePlan};
use dress_engines::{EngineFormat, ModelShape};
use dress_models::Checkpoint;
use dress_models::checkpoint::check_output;
use dress_study::ablation::PruneRun;
use dress_train::RunDirectory;
use serde::Serialize;
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
    /// How one layer at a time is in memory, where it is so.
    pub by_parts: Option<ByParts>,
    /// How the result is reported.
    pub output: Output,
}

impl Prune {
    /// Prunes and saves; `began` is when the command did.
    pub fn run(mut self, began: Instant) -> Result<(), Error> {
        if let Some(by_parts) = self.by_parts.take() {
            return self.run_by_parts(&by_parts, began);
        }
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
        let directory = RunDirectory::beside(&self.out);
        self.keep_in(&directory);
        let job = self.run.job(&self.checkpoint)?;
        let calibration = self.run.blocks(&self.checkpoint)?;
        let (dense, served_by) = (self.checkpoint.declared(), &self.run.recipe.served_by);
        let known = job.resolved.known_selection(dense)?;
        if let Some(selection) = &known {
            warn_of_loss(dense, selection, served_by);
        }
        if job.resolved.is_kept() {
            explain_interrupt(&directory);
        }
        let mut pruned = job.run(&calibration, &TerminalProgress::default())?;
        if known.is_none() {
            warn_of_loss(dense, &pruned.result.result.plan.selection, served_by);
        }
        pruned.result.result.command = Some(command_line());
        let served = self.served(&pruned)?;
        self.save(&pruned, &directory)?;
        self.print(&pruned.result.result, &served, began.elapsed().as_secs_f64())
    }

    /// Has the run keep in `directory` what it can be gone on from.
    pub(super) fn keep_in(&mut self, directory: &RunDirectory) {
        self.run.recipe = self.run.recipe.clone().in_directory(directory);
        if let Some(settings) = &mut self.run.recipe.regularize {
            settings.train.replace_other_run = self.force;
        }
    }

    fn save(&self, pruned: &PrunedCheckpoint, run: &RunDirectory) -> Result<(), Error> {
        pruned.save(&self.out, self.force)?;
        // The curve is in dress.json now, and what the search found in search.json.
        run.remove();
        Ok(())
    }

    /// Bytes before and after, as each engine serves them.
    fn served(&self, pruned: &PrunedCheckpoint) -> Result<Vec<ServedBytes>, Error> {
        let served_by = &self.run.recipe.served_by;
        if served_by.is_empty() {
            return Ok(Vec::new());
        }
        let stored = stored_bytes(self.checkpoint.path())?;
        let [before, after] =
            [self.checkpoint.declared(), &pruned.model].map(|model| ModelShape::of(model).stored_in(stored));
        let bytes = |by: &EngineFormat| ServedBytes {
            by: by.clone(),
            before: by.bytes(&before),
            bytes: by.bytes(&after),
        };
        Ok(served_by.iter().map(bytes).collect())
    }

    fn print(&self, result: &ResultFile, served: &[ServedBytes], seconds: f64) -> Result<(), Error> {
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
            "served": served,
        });
        self.output.print(&report, || {
            let share = result.parameters as f64 / result.parameters_before as f64 * 100.0;
            let moved = result.report.slicing_error.map_or(String::new(), |error| {
                format!("; the slice itself moved the logits by {error:.1e} of their norm")
            });
            let served: String = served.iter().map(ServedBytes::text).collect();
            format!(
                "{} -> {} parameters ({share:.1}%) in {seconds:.0} s, written to {}\n{}{moved}{served}",
                result.parameters_before,
                result.parameters,
                self.out.display(),
                kept_text(&result.plan),
            )
        })
    }
}

/// The weights' bytes in one format.
#[derive(Debug, Serialize)]
struct ServedBytes {
    by: EngineFormat,
    /// Of the model that was pruned.
    before: u64,
    /// Of the result.
    bytes: u64,
}

impl ServedBytes {
    fn text(&self) -> String {
        let [before, after] = [self.before, self.bytes].map(|bytes| bytes as f64 / 1e6);
        format!("\nserved by {} in {after:.1} MB, {before:.1} before", self.by)
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
