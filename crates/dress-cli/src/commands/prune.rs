//! `dress prune`.

use super::by_parts_args::{ByParts, not_by_parts};
use super::dry_run::{DryRun, on_few_of};
use super::next_command::NextCommand;
use super::quality::{BeforeAndAfter, QualitySettings, ServedBytes, seqlen_of_validation};
use super::size_warnings::{warn_of_loss, warn_of_rounding};
use super::watched::{add_the_rest, or_nothing_left, watched};
use crate::interrupted_run::explain_interrupt;
use crate::{Error, Output, PlaceLock, ResultFile, check_place, command_line, name_of, shown_progress};
use dress::{PruneJob, PrunedCheckpoint};
use dress_core::{Calibration, CausalLm, KeptOfKind, SlicePlan, least_to_most};
use dress_models::checkpoint::check_output;
use dress_models::{AnyModel, Checkpoint};
use dress_study::ablation::PruneRun;
use dress_train::RunDirectory;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// By how many percent the perplexity of an untrained result may rise before training it is what comes next.
const WORTH_TRAINING: f64 = 5.0;

/// What `dress prune` does.
#[derive(Debug)]
pub(super) struct Prune {
    /// What is pruned, as given.
    pub model: PathBuf,
    /// What is pruned.
    pub checkpoint: Checkpoint,
    /// How.
    pub run: PruneRun,
    /// What the result is measured on.
    pub quality: QualitySettings,
    /// Where the run's numbers go for TensorBoard, if anywhere.
    pub tensorboard: Option<PathBuf>,
    /// Where the smaller checkpoint goes.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// How one layer at a time is in memory, where it is so.
    pub by_parts: Option<ByParts>,
    /// How the result is reported.
    pub output: Output,
}

/// What is said beside the numbers.
struct Said {
    /// What rounding made of ratios.
    rounded: String,
    /// Why nothing was measured, where nothing was.
    nothing: &'static str,
    /// How many blocks of calibration the run saw.
    seen: usize,
}

impl Prune {
    /// Prunes with the whole model in memory and saves; `began` is when the command did.
    pub fn run(mut self, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
        let directory = RunDirectory::beside(&self.out);
        self.keep_in(&directory);
        let (job, calibration) = self.job_and_blocks()?;
        let (dense, served_by) = (self.checkpoint.declared(), &self.run.recipe.served_by);
        let known = job.resolved.known_selection(dense)?;
        let rounded = warn_of_rounding(&job.resolved, dense)?;
        if let Some(selection) = &known {
            warn_of_loss(dense, selection, &job.resolved);
        }
        if job.resolved.is_kept() {
            explain_interrupt(&directory);
        }
        let done = watched(self.tensorboard.as_ref(), |progress| Ok(job.run(&calibration, progress)?));
        let (mut pruned, events) = or_nothing_left(&directory, done)?;
        add_the_rest(events, &pruned.result.result.report.curve, &pruned.result.result.quality);
        if known.is_none() {
            warn_of_loss(dense, &pruned.result.result.plan.selection, &job.resolved);
        }
        pruned.result.result.command = Some(command_line());
        // Before anything else that can fail.
        self.save(&pruned, &directory)?;
        let served = ServedBytes::of(self.checkpoint.path(), [dense, &pruned.model], served_by)?;
        let nothing = self.quality.why_nothing(&calibration);
        let said = Said { rounded, nothing, seen: calibration.blocks.len() };
        self.print(&pruned.result.result, &served, &said, began.elapsed().as_secs_f64())
    }

    /// Says what a run would make and take, and writes nothing.
    pub fn dry_run(self) -> Result<(), Error> {
        if self.by_parts.is_some() {
            return Err(not_by_parts(
                "--dry-run",
                "leave it out, or leave out --stream, --layers and --streams",
            ));
        }
        check_place(&self.out)?;
        let (job, calibration) = self.job_and_blocks()?;
        let (made, estimate) = job.rehearse(&calibration, &shown_progress())?;
        let selection = &made.result.result.plan.selection;
        let models = [self.checkpoint.declared(), &made.model];
        let (path, served_by) = (self.checkpoint.path(), &self.run.recipe.served_by);
        let rehearsed = on_few_of(job.rehearsed_blocks(&calibration), calibration.blocks.len());
        DryRun::of_model(path, models, Some(selection), served_by, estimate, rehearsed)?.print(self.output)
    }

    /// What is run, with the texts that both models are measured on, and the blocks that the run looks at.
    fn job_and_blocks(&self) -> Result<(PruneJob, Calibration), Error> {
        let job = self.run.job(&self.checkpoint)?;
        let measured = self.quality.held_back(|| job.to_hold_back());
        let (calibration, held_back) = self.run.blocks_and_held_back(&self.checkpoint, measured.blocks)?;
        let (seqlen, held_back) = (job.sampling.seqlen, measured.part_of(held_back));
        let texts = self.quality.texts(&self.checkpoint, seqlen, [&calibration, &held_back])?;
        Ok((job.measured_on(texts), calibration))
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

    fn print(
        &self,
        result: &ResultFile,
        served: &[ServedBytes],
        said: &Said,
        seconds: f64,
    ) -> Result<(), Error> {
        let report = json!({
            "parameters_before": result.parameters_before,
            "parameters": result.parameters,
            "seconds": seconds,
            "plan": self.out.join("plan.json").display().to_string(),
            "out": self.out.display().to_string(),
            "criterion": result.plan.criterion,
            "fingerprint": result.plan.fingerprint,
            "kept": kept(&result.plan),
            "slicing_error": result.report.slicing_error,
            "steps": result.report.curve.len(),
            "sliced_after_step": result.report.cut.map(|cut| cut.step + 1),
            "served": served,
            "quality": result.quality,
            "next": self.next(result),
        });
        self.output.print(&report, || {
            let both = BeforeAndAfter {
                names: [name_of(&self.model), name_of(&self.out)],
                parameters: [result.parameters_before, result.parameters],
                served,
                quality: &result.quality,
            };
            let about = if result.quality.is_empty() {
                format!("{}\n", said.nothing)
            } else {
                both.about_the_texts(said.seen)
            };
            format!(
                "{} in {seconds:.0} s, written to {}\n{}\n{}\n{}{about}\nnext: {}",
                kept_text(&result.plan, self.checkpoint.declared()),
                self.out.display(),
                said.rounded,
                both.table(),
                both.about_the_engines(),
                self.next(result)
            )
        })
    }

    /// The command to type next: training where the loss rose and nothing was trained, else an evaluation on
    /// all of a text.
    fn next(&self, result: &ResultFile) -> String {
        let risen = result.quality.iter().map(|text| text.difference.percent_of_perplexity().0);
        let is_worth_training = result.regularize.is_none() && risen.fold(0.0, f64::max) > WORTH_TRAINING;
        match self.run.calibration.as_ref().filter(|_| is_worth_training) {
            Some(text) => {
                let recipe = &self.run.recipe;
                NextCommand::recover(&self.out, &self.model, text, &recipe.sampling, recipe.stock)
            }
            None => {
                let seqlen = seqlen_of_validation(&result.quality).or(self.run.recipe.sampling.seqlen);
                NextCommand::eval(&self.out, &self.model, self.quality.validate.first(), seqlen)
            }
        }
    }
}

/// What is left of each axis, and of how many.
pub(super) fn kept(plan: &SlicePlan) -> Map<String, Value> {
    let lengths = plan.selection.iter();
    lengths.map(|(axis, chosen)| (axis.to_string(), json!([chosen.kept_len(), chosen.len()]))).collect()
}

/// What is left of each kind of axis of `dense`, as `residual 192 -> 144, ffn 512 -> 384`.
pub(super) fn kept_text(plan: &SlicePlan, dense: &AnyModel) -> String {
    let counts = |range: [usize; 2]| least_to_most(range.map(|count| count.to_string()));
    let part = |of: KeptOfKind| format!("{} {} -> {}", of.kind, counts(of.lengths), counts(of.range));
    let kept = KeptOfKind::of(&plan.selection, &dense.coupling());
    kept.into_iter().map(part).collect::<Vec<_>>().join(", ")
}
