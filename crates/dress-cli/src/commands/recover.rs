//! `dress recover`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, at_least_one};
use super::run_directory::RunDirectory;
use super::training_args::TrainingArgs;
use crate::{Error, ResultFile, TerminalProgress, check_place, declared, locate};
use clap::Args;
use dress_core::{CausalLm, Fingerprint, Selection, StockTarget, parameters};
use dress_models::SaveConfig;
use dress_models::checkpoint::{check_output, save};
use dress_train::{CurvePoint, DistillationConfig, LoraConfig, LossEnds, RecoverConfig, Trainable, recover};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The checkpoint to fine-tune: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// Where the fine-tuned checkpoint goes.
    #[arg(long)]
    out: PathBuf,
    /// Train all weights instead of low-rank factors.
    #[arg(long, conflicts_with_all = ["lora_rank", "lora_alpha", "lora_dropout", "lora_targets"])]
    full: bool,
    /// The rank of the factors beside each matrix.
    #[arg(long, default_value_t = LoraConfig::default().rank, value_parser = at_least_one)]
    lora_rank: usize,
    /// What the factors' product is multiplied by, times the rank; by default twice the rank.
    #[arg(long)]
    lora_alpha: Option<f64>,
    /// The share of the factors' inputs that is left out of each step.
    #[arg(long, default_value_t = 0.0)]
    lora_dropout: f64,
    /// The projections that get factors, with commas, as q_proj,v_proj; by default all inside the blocks.
    #[arg(long, value_delimiter = ',')]
    lora_targets: Vec<String>,
    /// Learn from what this dense model says of the text too.
    #[arg(long, value_name = "MODEL")]
    distill_from: Option<PathBuf>,
    /// How much that counts, from 0 to 1, beside the text's own tokens.
    #[arg(long, default_value_t = DistillationConfig::default().alpha, requires = "distill_from")]
    distill_alpha: f64,
    /// The temperature at which distributions are compared.
    #[arg(long, default_value_t = 1.0, requires = "distill_from")]
    distill_temperature: f64,
    /// Compute the dense model's outputs once, to a file, instead of in every step.
    #[arg(long, requires = "distill_from")]
    distill_cache: bool,
    /// Whose rules the shape of the checkpoint keeps: any, transformers or dress.
    #[arg(long, default_value_t = StockTarget::Any)]
    target: StockTarget,
    /// Replace the checkpoint at --out.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

impl RecoverArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let began = Instant::now();
        check_output(&self.out, Some(&self.model), self.force)?;
        check_place(&self.out)?;
        declared(&self.model)?.check_stock(&Selection::new(), self.target)?;
        let config = self.config();
        let calibration = self.calibration.blocks(&self.model, self.common.seed)?;
        if calibration.blocks.is_empty() {
            return Err(dress_core::Error::CalibrationEmpty { who: "recovery".into() }.into());
        }
        let model = self.common.load(&self.model)?;
        let dense = self.distill_from.as_ref().map(|dense| self.common.load(&locate(dense)?)).transpose()?;
        let [fingerprint, dense_fingerprint] = [Some(&model), dense.as_ref()].map(|m| m.map(Fingerprint::of));
        self.run_directory().explain_interrupt();
        let progress = TerminalProgress::default();
        let trained =
            recover(model, dense, &calibration, &config, &progress).map_err(dress_prune::Error::from)?;
        let about = json!({
            "dress_version": env!("CARGO_PKG_VERSION"),
            "burn_version": ResultFile::BURN_VERSION,
            "device": self.common.device_name(),
            "dtype": self.common.dtype.to_string(),
            "model": self.model.display().to_string(),
            "fingerprint": fingerprint,
            "distilled_from": self.distill_from.as_ref().map(|dense| dense.display().to_string()),
            "distilled_from_fingerprint": dense_fingerprint,
            "calibration": calibration.provenance,
            "recover": config,
            "curve": trained.curve,
        });
        let text = serde_json::to_string_pretty(&about).expect("a result is numbers, texts and lists");
        let mut extra_files = vec![("recover.json".into(), text)];
        extra_files.extend(self.how_it_was_pruned());
        let saving = SaveConfig {
            source: Some(self.model.clone()),
            extra_files,
            target: self.target,
            force: self.force,
            ..SaveConfig::default()
        };
        save(&trained.model, &self.out, &saving)?;
        // The curve is in recover.json now.
        self.run_directory().remove();
        self.print(parameters::count(&trained.model), &trained.curve, began.elapsed().as_secs_f64());
        Ok(())
    }

    fn run_directory(&self) -> RunDirectory {
        RunDirectory::of(&self.out, self.force)
    }

    /// What says of the sliced checkpoint how it came to be, which is true of the fine-tuned one as well.
    fn how_it_was_pruned(&self) -> impl Iterator<Item = (String, String)> {
        let read = |name: &str| Some((name.into(), std::fs::read_to_string(self.model.join(name)).ok()?));
        ["dress.json", "plan.json"].into_iter().filter_map(read)
    }

    fn config(&self) -> RecoverConfig {
        let mut train = self.training.config(&self.common, self.run_directory());
        if !self.full {
            train.trainable = Trainable::Lora(LoraConfig {
                rank: self.lora_rank,
                alpha: self.lora_alpha.unwrap_or(2.0 * self.lora_rank as f64),
                dropout: self.lora_dropout,
                targets: self.lora_targets.clone(),
            });
        }
        let distill = DistillationConfig {
            alpha: self.distill_alpha,
            temperature: self.distill_temperature,
            hidden: 0.0,
        };
        RecoverConfig { distill, cache: self.distill_cache, train }
    }

    fn print(&self, parameters: u64, curve: &[CurvePoint], seconds: f64) {
        let ends = LossEnds::of(curve);
        let (first, last) = (ends.map(|ends| ends.first), ends.map(|ends| ends.last));
        let report = json!({
            "parameters": parameters,
            "steps": curve.len(),
            "loss_first": first,
            "loss_last": last,
            "seconds": seconds,
            "out": self.out.display().to_string(),
        });
        self.common.output().print(&report, || {
            format!(
                "{} steps in {seconds:.0} s, the loss from {:.3} to {:.3} (means over {} steps), written to {}",
                curve.len(),
                first.unwrap_or_default(),
                last.unwrap_or_default(),
                ends.map_or(0, |ends| ends.steps),
                self.out.display()
            )
        });
    }
}
