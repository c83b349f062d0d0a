//! `dress recover`.

use super::transform::Transform;
use crate::interrupted_run::explain_interrupt;
use crate::{Error, ResultFile, TerminalProgress, command_line, fingerprint};
use dress::{ModelCard, any_model};
use dress_core::{Calibration, CausalLm, Selection, StockTarget, parameters};
use dress_models::SaveConfig;
use dress_models::checkpoint::save;
use dress_train::{CurvePoint, LossEnds, RecoverConfig, RunDirectory};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// What `dress recover` does.
#[derive(Debug)]
pub(super) struct Recover {
    /// From which checkpoint, with which text, to where.
    pub checkpoint: Transform,
    /// How it is trained.
    pub config: RecoverConfig,
    /// The dense model that it learns from, where there is one.
    pub teacher: Option<PathBuf>,
    /// Whose rules the shape keeps.
    pub target: StockTarget,
}

impl Recover {
    /// Trains and saves; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        let _lock = self.checkpoint.lock()?;
        self.checkpoint.checkpoint.declared().check_stock(&Selection::new(), self.target)?;
        let config = &self.config;
        self.check_teacher()?;
        let calibration = self.checkpoint.blocks_for("recovery")?;
        let model = self.checkpoint.load()?;
        let context = &self.checkpoint.context;
        let dense = self.teacher.as_ref().map(|dense| context.load(dense)).transpose()?;
        explain_interrupt(&self.run_directory());
        let progress = TerminalProgress::default();
        let trained = any_model::recover(model, dense, &calibration, config, &progress)
            .map_err(dress_prune::Error::from)?;
        let command = command_line();
        let about = json!({
            "format_version": ResultFile::FORMAT,
            "dress_version": env!("CARGO_PKG_VERSION"),
            "burn_version": ResultFile::BURN_VERSION,
            "device": context.compute.device_name(),
            "dtype": context.compute.dtype.to_string(),
            "model": self.checkpoint.model().display().to_string(),
            "fingerprint": fingerprint(self.checkpoint.model())?,
            "distilled_from": self.teacher.as_ref().map(|dense| dense.display().to_string()),
            "distilled_from_fingerprint": self.teacher.as_deref().map(fingerprint).transpose()?,
            "calibration": calibration.provenance,
            "recover": config,
            "curve": trained.curve,
            "command": command,
        });
        let text = serde_json::to_string_pretty(&about).expect("a result is numbers, texts and lists");
        let mut extra_files = vec![("recover.json".into(), text)];
        extra_files.extend(self.how_it_was_pruned());
        let card = self.model_card(parameters::count(&trained.model), &trained.curve, &calibration, command);
        let (model_card, target) = (Some(card.to_string()), self.target);
        let saving = SaveConfig { extra_files, model_card, target, ..self.checkpoint.saving() };
        save(&trained.model, &self.checkpoint.out, &saving)?;
        // The curve is in recover.json now.
        self.run_directory().remove();
        self.print(parameters::count(&trained.model), &trained.curve, began.elapsed().as_secs_f64())?;
        Ok(())
    }

    /// The blocks are the tokens of the model that is trained; to a teacher of another tokenizer they say something else.
    fn check_teacher(&self) -> Result<(), Error> {
        let Some(against) = &self.teacher else { return Ok(()) };
        if crate::tokenizer(self.checkpoint.model())?.sha256() == crate::tokenizer(against)?.sha256() {
            return Ok(());
        }
        Err(Error::OtherTokenizer { model: self.checkpoint.model().into(), against: against.clone() })
    }

    fn run_directory(&self) -> RunDirectory {
        RunDirectory::beside(&self.checkpoint.out)
    }

    /// What says of the sliced checkpoint how it came to be, which is true of the fine-tuned one as well.
    fn how_it_was_pruned(&self) -> impl Iterator<Item = (String, String)> {
        let read = |name: &str| {
            Some((name.into(), std::fs::read_to_string(self.checkpoint.model().join(name)).ok()?))
        };
        ["dress.json", "plan.json", "search.json"].into_iter().filter_map(read)
    }

    /// What is said of the fine-tuned model, and of the slice before, where its file can be read.
    fn model_card(
        &self,
        parameters: u64,
        curve: &[CurvePoint],
        calibration: &Calibration,
        command: String,
    ) -> ModelCard {
        let of_slice = self.how_it_was_pruned().find(|(name, _)| name == "dress.json");
        let sliced: Option<ResultFile> = of_slice.and_then(|(_, text)| serde_json::from_str(&text).ok());
        let before = sliced.map(|result| result.model_card());
        let context = &self.checkpoint.context;
        let mut fact = format!("It was fine-tuned for {} steps", curve.len());
        if let Some(ends) = LossEnds::of(curve) {
            fact += &format!(", the loss from {:.3} to {:.3}", ends.first, ends.last);
        }
        let taught =
            self.teacher.as_ref().map(|_| "It learnt from the dense model's predictions as well.".into());
        let mut how = before.as_ref().map_or_else(Vec::new, |card| card.how.clone());
        how.extend([fact + ".", ModelCard::calibration(&calibration.provenance)]);
        how.extend(taught);
        ModelCard {
            summary: "The model was fine-tuned after parts of it had been removed.".into(),
            sizes: before
                .map_or_else(|| ModelCard::parameters(parameters, parameters).into(), |card| card.sizes),
            how,
            command: Some(command),
            made_by: format!(
                "dress {}, Burn {}, {} in {}. Every setting is in `recover.json`",
                env!("CARGO_PKG_VERSION"),
                ResultFile::BURN_VERSION,
                context.compute.device_name(),
                context.compute.dtype
            ),
        }
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
        self.checkpoint.context.output.print(&report, || {
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
