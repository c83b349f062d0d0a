//! `dress prune`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, SelectArgs, at_least_one};
use super::regularize_args::{REGULARIZE_OPTIONS, RegularizeArgs};
use super::run_directory::RunDirectory;
use super::training_args::TRAINING_OPTIONS;
use crate::{Error, ResultFile, TerminalProgress, check_place, locate};
use clap::Args;
use dress_core::{AxisKind, Basis, CausalLm, Selection, parameters};
use dress_importance::Criteria;
use dress_models::checkpoint::{check_output, save};
use dress_models::{AnyModel, SaveConfig};
use dress_prune::{Compensation, PruneConfig, Pruned, best_basis, prune_in_rounds};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where the smaller checkpoint goes.
    #[arg(long)]
    out: PathBuf,
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
    /// Replace the checkpoint at --out.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

impl PruneArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let began = Instant::now();
        check_output(&self.out, Some(&self.model), self.force)?;
        check_place(&self.out)?;
        let config = self.config()?;
        let scorer = self.select.criteria(&config.targets, config.basis, self.common.seed)?;
        let calibration = self.calibration.blocks(&self.model, self.common.seed)?;
        let needed_by = needs_calibration(&config, &scorer);
        if let Some(who) = needed_by.as_ref().filter(|_| calibration.blocks.is_empty()) {
            return Err(dress_core::Error::CalibrationEmpty { who: who.clone() }.into());
        }
        if config.regularize.is_some() {
            self.run_directory().explain_interrupt();
        }
        let model = self.common.load(&self.model)?;
        let parameters_before = parameters::count(&model);
        let progress = TerminalProgress::default();
        let pruned = prune_in_rounds(model, &scorer, &calibration, &config, self.rounds, &progress)?;
        let result = ResultFile {
            dress_version: env!("CARGO_PKG_VERSION").into(),
            burn_version: ResultFile::BURN_VERSION.into(),
            device: self.common.device_name(),
            dtype: self.common.dtype.to_string(),
            parameters_before,
            parameters: parameters::count(&pruned.model),
            plan: pruned.plan.clone(),
            regularize: config.regularize,
            calibration: needed_by.map(|_| calibration.provenance.clone()),
            report: pruned.report.clone(),
        };
        self.save(&pruned, &result)?;
        self.print(&result, began.elapsed().as_secs_f64());
        Ok(())
    }

    fn config(&self) -> Result<PruneConfig, Error> {
        let seed = self.common.seed;
        let settings = || self.regularize.config(&self.common, self.run_directory());
        let regularize = (!self.no_regularize).then(settings).transpose()?;
        let (basis, compensation) = (self.basis()?, self.compensate);
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
        let (targets, stock) = (self.select.targets(&self.model, basis, compensation)?, self.select.target);
        let allocation =
            self.select.allocation(&self.model, &self.select.criteria(&targets, basis, seed)?)?;
        Ok(PruneConfig { targets, basis, regularize, compensation, stock, seed, allocation })
    }

    fn run_directory(&self) -> RunDirectory {
        RunDirectory::of(&self.out, self.force)
    }

    fn basis(&self) -> Result<Basis, Error> {
        match self.basis {
            Some(basis) => Ok(basis),
            None if !self.select.criterion.is_empty() => Ok(Basis::Identity),
            None => Ok(best_basis(&crate::declared(&self.model)?.coupling(), &self.select.axis)),
        }
    }

    fn save(&self, pruned: &Pruned<AnyModel>, result: &ResultFile) -> Result<(), Error> {
        let config = SaveConfig {
            source: Some(self.model.clone()),
            extra_files: result.files(),
            target: self.select.target,
            force: self.force,
            ..SaveConfig::default()
        };
        save(&pruned.model, &self.out, &config)?;
        // The curve is in dress.json now.
        if !self.no_regularize {
            self.run_directory().remove();
        }
        Ok(())
    }

    fn print(&self, result: &ResultFile, seconds: f64) {
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
        self.common.output().print(&report, || {
            let share = result.parameters as f64 / result.parameters_before as f64 * 100.0;
            let moved = result.report.slicing_error.map_or(String::new(), |error| {
                format!("; the slice itself moved the logits by {error:.1e} of their norm")
            });
            format!(
                "{} -> {} parameters ({share:.1}%) in {seconds:.0} s, written to {}\n{}{moved}",
                result.parameters_before,
                result.parameters,
                self.out.display(),
                kept_text(&result.plan.selection),
            )
        });
    }
}

/// What looks at the calibration data, if anything does.
fn needs_calibration(config: &PruneConfig, scorer: &Criteria) -> Option<String> {
    match config {
        PruneConfig { basis, .. } if *basis != Basis::Identity => Some(format!("--basis {basis}")),
        _ if scorer.needs_calibration() => Some(scorer.name().into()),
        PruneConfig { regularize: Some(_), .. } => Some("regularization".into()),
        PruneConfig { compensation, .. } if *compensation != Compensation::None => {
            Some(format!("--compensate {compensation}"))
        }
        _ => None,
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
