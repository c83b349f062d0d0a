//! `dress recover`.

use super::common_args::at_least_one;
use super::listed::listed;
use super::training_args::TrainingArgs;
use super::transform_args::TransformArgs;
use crate::interrupted_run::explain_interrupt;
use crate::{Error, ResultFile, TerminalProgress, declared, fingerprint, locate};
use clap::Args;
use dress_core::{CausalLm, Selection, StockTarget, parameters};
use dress_models::SaveConfig;
use dress_models::checkpoint::save;
use dress_train::{
    CurvePoint, DistillationConfig, LoraConfig, LossEnds, RecoverConfig, RunDirectory, Trainable, recover,
};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    checkpoint: TransformArgs,
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
    /// Whose rules the shape of the checkpoint keeps.
    #[arg(long, default_value_t = StockTarget::Any, value_parser = listed::<StockTarget>(StockTarget::NAMES))]
    target: StockTarget,
    #[command(flatten)]
    training: TrainingArgs,
}

impl RecoverArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        let began = Instant::now();
        let _lock = self.checkpoint.open()?;
        declared(&self.checkpoint.model)?.check_stock(&Selection::new(), self.target)?;
        let config = self.config();
        self.distill_from = self.distill_from.as_deref().map(locate).transpose()?;
        self.check_teacher()?;
        let calibration = self.checkpoint.blocks_for("recovery")?;
        let model = self.checkpoint.load()?;
        let common = &self.checkpoint.common;
        let dense = self.distill_from.as_ref().map(|dense| common.load(dense)).transpose()?;
        explain_interrupt(&self.run_directory());
        let progress = TerminalProgress::default();
        let trained =
            recover(model, dense, &calibration, &config, &progress).map_err(dress_prune::Error::from)?;
        let about = json!({
            "dress_version": env!("CARGO_PKG_VERSION"),
            "burn_version": ResultFile::BURN_VERSION,
            "device": common.device_name(),
            "dtype": common.dtype().to_string(),
            "model": self.checkpoint.model.display().to_string(),
            "fingerprint": fingerprint(&self.checkpoint.model)?,
            "distilled_from": self.distill_from.as_ref().map(|dense| dense.display().to_string()),
            "distilled_from_fingerprint": self.distill_from.as_deref().map(fingerprint).transpose()?,
            "calibration": calibration.provenance,
            "recover": config,
            "curve": trained.curve,
        });
        let text = serde_json::to_string_pretty(&about).expect("a result is numbers, texts and lists");
        let mut extra_files = vec![("recover.json".into(), text)];
        extra_files.extend(self.how_it_was_pruned());
        let saving = SaveConfig { extra_files, target: self.target, ..self.checkpoint.saving() };
        save(&trained.model, &self.checkpoint.out, &saving)?;
        // The curve is in recover.json now.
        self.run_directory().remove();
        self.print(parameters::count(&trained.model), &trained.curve, began.elapsed().as_secs_f64())?;
        Ok(())
    }

    /// The blocks are the tokens of the model that is trained; to a teacher of another tokenizer they say something else.
    fn check_teacher(&self) -> Result<(), Error> {
        let Some(against) = &self.distill_from else { return Ok(()) };
        if crate::tokenizer(&self.checkpoint.model)?.sha256() == crate::tokenizer(against)?.sha256() {
            return Ok(());
        }
        Err(Error::OtherTokenizer { model: self.checkpoint.model.clone(), against: against.clone() })
    }

    fn run_directory(&self) -> RunDirectory {
        RunDirectory::beside(&self.checkpoint.out)
    }

    /// What says of the sliced checkpoint how it came to be, which is true of the fine-tuned one as well.
    fn how_it_was_pruned(&self) -> impl Iterator<Item = (String, String)> {
        let read =
            |name: &str| Some((name.into(), std::fs::read_to_string(self.checkpoint.model.join(name)).ok()?));
        ["dress.json", "plan.json"].into_iter().filter_map(read)
    }

    fn config(&self) -> RecoverConfig {
        let usual_rate = RecoverConfig::default().train.learning_rate.peak;
        let common = &self.checkpoint.common;
        let mut train = self.training.config(usual_rate, common.dtype(), common.seed);
        train.run_dir = Some(self.run_directory().path().into());
        train.replace_other_run = self.checkpoint.force;
        if !self.full {
            let usual = LoraConfig::of_rank(self.lora_rank);
            train.trainable = Trainable::Lora(LoraConfig {
                rank: usual.rank,
                alpha: self.lora_alpha.unwrap_or(usual.alpha),
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

    fn print(&self, parameters: u64, curve: &[CurvePoint], seconds: f64) -> Result<(), Error> {
        let ends = LossEnds::of(curve);
        let (first, last) = (ends.map(|ends| ends.first), ends.map(|ends| ends.last));
        let report = json!({
            "parameters": parameters,
            "steps": curve.len(),
            "loss_first": first,
            "loss_last": last,
            "seconds": seconds,
            "out": self.checkpoint.out.display().to_string(),
        });
        self.checkpoint.common.output().print(&report, || {
            format!(
                "{} steps in {seconds:.0} s, the loss from {:.3} to {:.3} (means over the first and the last {} steps, of different blocks), written to {}",
                curve.len(),
                first.unwrap_or_default(),
                last.unwrap_or_default(),
                ends.map_or(0, |ends| ends.steps),
                self.checkpoint.out.display()
            )
        })?;
        Ok(())
    }
}
