//! `dress prune`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, SelectArgs, at_least_one};
use crate::{Error, ResultFile, TerminalProgress, locate};
use clap::Args;
use dress_core::{AxisKind, Basis, CausalLm, Selection, parameters};
use dress_models::checkpoint::{check_output, save};
use dress_models::{AnyModel, SaveConfig};
use dress_prune::{Compensation, PruneConfig, Pruned, RegularizeConfig, best_basis, prune};
use dress_regularize::{ComponentWeights, PenaltyKind, Schedule, SlotChoice};
use dress_train::{PenaltyForm, TrainConfig};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// The options that mean nothing with --no-regularize.
const REGULARIZE_OPTIONS: [&str; 12] = [
    "penalty",
    "penalty_in_loss",
    "lambda",
    "schedule",
    "writers_only",
    "attention_weight",
    "ffn_weight",
    "rest_weight",
    "learning_rate",
    "epochs",
    "batch_size",
    "accumulation",
];

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
    #[arg(long, conflicts_with_all = REGULARIZE_OPTIONS)]
    no_regularize: bool,
    /// Replace the checkpoint at --out.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

/// The regularization's options; the defaults are those of [`RegularizeConfig`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularization")]
pub(super) struct RegularizeArgs {
    /// The penalty: l1, l2 or group.
    #[arg(long, default_value_t = RegularizeConfig::default().penalty)]
    penalty: PenaltyKind,
    /// Add the penalty to the loss, the paper's form, instead of proximal steps.
    #[arg(long)]
    penalty_in_loss: bool,
    /// The penalty's strength. Proximal: structures are zero after 1/lambda of the steps.
    #[arg(long, default_value_t = RegularizeConfig::default().lambda)]
    lambda: f64,
    /// How the strength changes: constant, linear, or linear:0.2 for a ramp over a fifth of the steps.
    #[arg(long, default_value_t = RegularizeConfig::default().schedule)]
    schedule: Schedule,
    /// Act only on what writes the selected structures, not on what reads them too.
    #[arg(long)]
    writers_only: bool,
    /// Weight of the attention's parameters in the penalty.
    #[arg(long, default_value_t = 1.0)]
    attention_weight: f64,
    /// Weight of the feed-forward networks' parameters in the penalty.
    #[arg(long, default_value_t = 1.0)]
    ffn_weight: f64,
    /// Weight of all other parameters in the penalty.
    #[arg(long, default_value_t = 1.0)]
    rest_weight: f64,
    /// AdamW's highest learning rate.
    #[arg(long, default_value_t = TrainConfig::default().learning_rate.peak)]
    learning_rate: f64,
    /// How often each calibration block is seen.
    #[arg(long, default_value_t = TrainConfig::default().epochs, value_parser = at_least_one)]
    epochs: usize,
    /// Blocks a batch.
    #[arg(long, default_value_t = TrainConfig::default().batch_size, value_parser = at_least_one)]
    batch_size: usize,
    /// Batches a step.
    #[arg(long, default_value_t = TrainConfig::default().accumulation, value_parser = at_least_one)]
    accumulation: usize,
}

impl RegularizeArgs {
    pub(super) fn config(&self, seed: u64, run_dir: PathBuf) -> RegularizeConfig {
        let mut train = TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            accumulation: self.accumulation,
            seed,
            run_dir: Some(run_dir),
            ..RegularizeConfig::default().train
        };
        train.learning_rate.peak = self.learning_rate;
        RegularizeConfig {
            penalty: self.penalty,
            form: if self.penalty_in_loss { PenaltyForm::Loss } else { PenaltyForm::Proximal },
            lambda: self.lambda,
            schedule: self.schedule,
            weights: ComponentWeights {
                attention: self.attention_weight,
                ffn: self.ffn_weight,
                rest: self.rest_weight,
            },
            slots: if self.writers_only { SlotChoice::Writers } else { SlotChoice::All },
            train,
        }
    }
}

impl PruneArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let began = Instant::now();
        check_output(&self.out, Some(&self.model), self.force)?;
        let config = self.config()?;
        let scorer = self.select.criteria(&config.targets, self.common.seed);
        let calibration = self.calibration.blocks(&self.model, self.common.seed)?;
        if calibration.blocks.is_empty() && (scorer.needs_calibration() || config.regularize.is_some()) {
            let who = if scorer.needs_calibration() { scorer.name() } else { "regularization" };
            return Err(dress_core::Error::CalibrationEmpty { who: who.into() }.into());
        }
        let model = self.common.load(&self.model)?;
        let parameters_before = parameters::count(&model);
        let progress = TerminalProgress::default();
        let pruned = prune(model, &scorer, &calibration, &config, &progress)?;
        let used = config.regularize.is_some() || scorer.needs_calibration();
        let result = ResultFile {
            dress_version: env!("CARGO_PKG_VERSION").into(),
            burn_version: ResultFile::BURN_VERSION.into(),
            device: self.common.device_name(),
            dtype: self.common.dtype.to_string(),
            parameters_before,
            parameters: parameters::count(&pruned.model),
            plan: pruned.plan.clone(),
            regularize: config.regularize,
            calibration: used.then(|| calibration.provenance.clone()),
            report: pruned.report.clone(),
        };
        self.save(&pruned, &result)?;
        self.print(&result, began.elapsed().as_secs_f64());
        Ok(())
    }

    fn config(&self) -> Result<PruneConfig, Error> {
        let seed = self.common.seed;
        let regularize = (!self.no_regularize).then(|| self.regularize.config(seed, self.run_dir()));
        let (basis, compensation) = (self.basis()?, self.compensate);
        let (targets, stock) = (self.select.targets(&self.model, basis, compensation)?, self.select.target);
        let allocation = self.select.allocation(&self.model, &self.select.criteria(&targets, seed))?;
        Ok(PruneConfig { targets, basis, regularize, compensation, stock, seed, allocation })
    }

    fn basis(&self) -> Result<Basis, Error> {
        let free = self.select.criterion.is_empty() && self.select.axis.contains(&AxisKind::Residual);
        match self.basis {
            Some(basis) => Ok(basis),
            None if free => Ok(best_basis(&crate::declared(&self.model)?.coupling())),
            None => Ok(Basis::Identity),
        }
    }

    /// Where the curve is while the run goes on, and the last good weights if it fails.
    fn run_dir(&self) -> PathBuf {
        let name = self.out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.out.with_file_name(format!("{name}.run"))
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
            let _ = std::fs::remove_dir_all(self.run_dir());
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
