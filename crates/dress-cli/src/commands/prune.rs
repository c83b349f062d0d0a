//! `dress prune`.

mod check;

use super::common_args::{HOW_MUCH, SelectArgs, at_least_one};
use super::regularize_args::{REGULARIZE_OPTIONS, RegularizeArgs};
use super::run_directory::RunDirectory;
use super::training_args::TRAINING_OPTIONS;
use super::transform_args::TransformArgs;
use crate::{Error, PruneResult, ResultFile, TerminalProgress, fingerprint};
use clap::Args;
use dress_core::{AxisKind, Basis, CausalLm, Selection, parameters};
use dress_models::checkpoint::save;
use dress_models::{AnyModel, SaveConfig};
use dress_prune::{Compensation, PruneConfig, Pruned, best_basis, prune_as_planned, prune_in_rounds};
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
    /// How projections behind sliced neurons and heads make up for them: none, bias or ridge.
    #[arg(long, default_value_t = Compensation::None)]
    compensate: Compensation,
    /// Slice at once, without regularizing first.
    #[arg(long, conflicts_with_all = meaningless_without_training())]
    no_regularize: bool,
    /// Reach the ratio in so many rounds of score, regularize and slice, each as long as one alone.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    rounds: usize,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

impl PruneArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        let began = Instant::now();
        let _lock = self.checkpoint.open()?;
        let (pruned, result) = self.prune()?;
        self.save(&pruned, &result)?;
        self.print(&result.result, began.elapsed().as_secs_f64())?;
        Ok(())
    }

    /// The smaller model, and how it came to be; nothing is saved.
    pub(super) fn prune(&self) -> Result<(Pruned<AnyModel>, PruneResult), Error> {
        let mut config = self.check()?;
        let scorer = self.select.criteria(&config.targets, config.basis, self.checkpoint.common.seed)?;
        let calibration = self.checkpoint.blocks()?;
        if let (true, Some(who)) = (calibration.blocks.is_empty(), self.looks_at_data(&config)?) {
            return Err(dress_core::Error::CalibrationEmpty { who }.into());
        }
        let plan = self.plan_made_before()?;
        if config.regularize.is_some() {
            self.run_directory().explain_interrupt();
        }
        let model = self.checkpoint.load()?;
        let parameters_before = parameters::count(&model);
        let progress = TerminalProgress::default();
        let mut pruned = match plan {
            Some(plan) => prune_as_planned(model, &plan, &calibration, &config, &progress)?,
            None => prune_in_rounds(model, &scorer, &calibration, &config, self.rounds, &progress)?,
        };
        pruned.plan.fingerprint = fingerprint(&self.checkpoint.model)?;
        // Wherever there are blocks they are read: what slicing moves is measured on the first.
        let used = !calibration.blocks.is_empty();
        let result = ResultFile {
            dress_version: env!("CARGO_PKG_VERSION").into(),
            burn_version: ResultFile::BURN_VERSION.into(),
            device: self.checkpoint.common.device_name(),
            dtype: self.checkpoint.common.dtype.to_string(),
            parameters_before,
            parameters: parameters::count(&pruned.model),
            plan: pruned.plan.clone(),
            regularize: config.regularize.take(),
            calibration: used.then(|| calibration.provenance.clone()),
            report: pruned.report.clone(),
        };
        let model = self.checkpoint.model.display().to_string();
        let result = PruneResult { result, model, rounds: self.rounds, settings: config };
        Ok((pruned, result))
    }

    fn config(&self) -> Result<PruneConfig, Error> {
        let seed = self.checkpoint.common.seed;
        let (basis, compensation) = (self.basis()?, self.compensate);
        let settings = || self.regularize.config(&self.checkpoint.common, self.run_directory(), basis);
        let regularize = (!self.no_regularize).then(settings).transpose()?;
        let made_up_for = [AxisKind::Ffn, AxisKind::Heads];
        if compensation != Compensation::None
            && !made_up_for.iter().any(|kind| self.select.axis.contains(kind))
        {
            return Err(Error::OptionUnused {
                option: format!("--compensate {compensation}"),
                why: "without neurons or heads that go".into(),
                remedy: "give --axis ffn or heads, or leave it out",
            });
        }
        let (targets, stock) =
            (self.select.targets(&self.checkpoint.model, basis, compensation)?, self.select.target);
        let allocation =
            self.select.allocation(&self.checkpoint.model, &self.select.criteria(&targets, basis, seed)?)?;
        Ok(PruneConfig { targets, basis, regularize, compensation, stock, seed, allocation })
    }

    pub(in crate::commands) fn run_directory(&self) -> RunDirectory {
        RunDirectory::of(&self.checkpoint.out, self.checkpoint.force)
    }

    /// The basis in which the width is sliced.
    fn basis(&self) -> Result<Basis, Error> {
        if let Some(plan) = self.plan_made_before()? {
            return Ok(plan.basis);
        }
        match self.basis {
            Some(basis) => Ok(basis),
            None if !self.select.criterion.is_empty() => Ok(Basis::Identity),
            None => Ok(best_basis(&crate::declared(&self.checkpoint.model)?.coupling(), &self.select.axis)),
        }
    }

    fn save(&self, pruned: &Pruned<AnyModel>, result: &PruneResult) -> Result<(), Error> {
        let config = SaveConfig {
            extra_files: result.files(),
            target: self.select.target,
            ..self.checkpoint.saving()
        };
        save(&pruned.model, &self.checkpoint.out, &config)?;
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
