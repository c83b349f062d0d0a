//! `dress prune`.

mod check;

use super::common_args::{HOW_MUCH, SelectArgs, at_least_one};
use super::regularize_args::{REGULARIZE_OPTIONS, RegularizeArgs};
use super::run_directory::RunDirectory;
use super::training_args::TRAINING_OPTIONS;
use super::transform_args::TransformArgs;
use crate::{Error, ResultFile, TerminalProgress, read_plan};
use clap::Args;
use dress::PrunedCheckpoint;
use dress_core::{AxisKind, Basis, Selection};
use dress_models::AnyModel;
use dress_prune::{Compensation, HowMuch, Recipe};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// The options that a plan made before has the answers to.
const SAID_BY_A_PLAN: [&str; 13] = [
    "axis",
    "ratio",
    "params",
    "flops",
    "bytes",
    "latency",
    "costs",
    "latency_of",
    "tile",
    "criterion",
    "per_layer",
    "basis",
    "rounds",
];

/// Options of `dress prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    checkpoint: TransformArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// A plan made before on the same checkpoint, by score or prune: what it selected goes, and nothing is scored.
    #[arg(long, value_name = "FILE", group = HOW_MUCH, conflicts_with_all = SAID_BY_A_PLAN)]
    plan: Option<PathBuf>,
    /// The coordinates in which the width is sliced: identity; pca for the principal components of what the
    /// blocks read, which a tied head is untied for; or pca-tied, which leaves it tied. By default principal
    /// components where they cost no parameters, and identity with --criterion.
    #[arg(long)]
    basis: Option<Basis>,
    /// How projections behind sliced neurons and heads make up for them: none, bias or ridge. By default none, and ridge where
    /// prune finds what goes.
    #[arg(long)]
    compensate: Option<Compensation>,
    /// Slice at once, without regularizing first.
    #[arg(long, conflicts_with_all = meaningless_without_training())]
    no_regularize: bool,
    /// Reach the ratio in so many rounds of score, regularize and slice, each as long as one alone.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    rounds: usize,
    /// Settings from a TOML file: the names of options as keys, lists as lists, and true for what takes no value. What the command line
    /// says stands above them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

impl PruneArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        let began = Instant::now();
        let _lock = self.checkpoint.open()?;
        let pruned = self.prune()?;
        self.save(&pruned)?;
        self.print(&pruned.result.result, began.elapsed().as_secs_f64())?;
        Ok(())
    }

    /// The smaller model, and how it came to be; nothing is saved.
    pub(super) fn prune(&self) -> Result<PrunedCheckpoint, Error> {
        let job = self.check()?;
        let calibration = self.checkpoint.blocks()?;
        if job.resolved.config.regularize.is_some() {
            self.run_directory().explain_interrupt();
        }
        Ok(job.run(&calibration, &TerminalProgress::default())?)
    }

    /// What is asked for, of the checkpoint that `dense` declares.
    fn recipe(&self, dense: &AnyModel) -> Result<Recipe, Error> {
        let seed = self.checkpoint.common.seed;
        let selected = self.select.recipe(dense, seed)?;
        let how_much = match &self.plan {
            Some(path) => HowMuch::Planned(Box::new(read_plan(path)?)),
            None => selected.how_much,
        };
        let searched = matches!(how_much, HowMuch::Searched { .. });
        let usual = if searched { Compensation::Ridge } else { Compensation::None };
        let recipe = Recipe {
            how_much,
            basis: self.basis,
            compensation: self.compensate.unwrap_or(usual),
            regularize: None,
            learning_rate: self.regularize.learning_rate(),
            precision: self.regularize.precision(),
            rounds: self.rounds,
            sampling: self.checkpoint.calibration.sampling(),
            ..selected
        };
        let basis = recipe.basis(dense);
        let settings =
            |args: &RegularizeArgs| args.config(&self.checkpoint.common, self.run_directory(), basis);
        let mut regularize = (!self.no_regularize).then(|| settings(&self.regularize)).transpose()?;
        // What was searched for is trained where anything was said of training.
        if searched && regularize == Some(settings(&RegularizeArgs::usual())?) {
            regularize = None;
        }
        Ok(Recipe { regularize, ..recipe })
    }

    pub(in crate::commands) fn run_directory(&self) -> RunDirectory {
        RunDirectory::of(&self.checkpoint.out, self.checkpoint.force)
    }

    fn save(&self, pruned: &PrunedCheckpoint) -> Result<(), Error> {
        pruned.save(&self.checkpoint.out, self.checkpoint.force)?;
        // The curve is in dress.json now.
        if !self.no_regularize {
            self.run_directory().remove();
        }
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
            "plan": self.checkpoint.out.join("plan.json").display().to_string(),
            "out": self.checkpoint.out.display().to_string(),
            "criterion": result.plan.criterion,
            "fingerprint": result.plan.fingerprint,
            "kept": kept,
            "slicing_error": result.report.slicing_error,
            "steps": result.report.curve.len(),
            "sliced_after_step": result.report.cut.map(|cut| cut.step + 1),
        });
        self.checkpoint.common.output().print(&report, || {
            let share = result.parameters as f64 / result.parameters_before as f64 * 100.0;
            let moved = result.report.slicing_error.map_or(String::new(), |error| {
                format!("; the slice itself moved the logits by {error:.1e} of their norm")
            });
            format!(
                "{} -> {} parameters ({share:.1}%) in {seconds:.0} s, written to {}\n{}{moved}",
                result.parameters_before,
                result.parameters,
                self.checkpoint.out.display(),
                kept_text(&result.plan.selection),
            )
        })?;
        Ok(())
    }
}

/// The options that mean nothing with --no-regularize.
fn meaningless_without_training() -> Vec<&'static str> {
    REGULARIZE_OPTIONS.into_iter().chain(TRAINING_OPTIONS).collect()
}

/// What is left of each kind of axis, as `residual 192 -> 144, ffn 512 -> 384`.
fn kept_text(selection: &Selection) -> String {
    let mut kinds: BTreeMap<AxisKind, [usize; 3]> = BTreeMap::new();
    for (axis, chosen) in selection.iter() {
        let kept = chosen.kept_len();
        let [len, least, most] = kinds.entry(axis.kind()).or_insert([0, kept, kept]);
        (*len, *least, *most) = (chosen.len().max(*len), kept.min(*least), kept.max(*most));
    }
    let part = |(kind, [len, least, most]): (AxisKind, [usize; 3])| match least == most {
        true => format!("{kind} {len} -> {least}"),
        false => format!("{kind} {len} -> {least} to {most}"),
    };
    kinds.into_iter().map(part).collect::<Vec<_>>().join(", ")
}
