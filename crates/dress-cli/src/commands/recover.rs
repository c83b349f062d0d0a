//! `dress recover`.

use super::did_it_help::did_it_help;
use super::dry_run::{DryRun, FEW, on_few_of};
use super::next_command::NextCommand;
use super::quality::{BeforeAndAfter, QualitySettings, ServedBytes, seqlen_of_validation};
use super::transform::Transform;
use super::watched::{add_the_rest, or_nothing_left, watched};
use crate::interrupted_run::explain_interrupt;
use crate::{Error, ResultFile, check_place, command_line, fingerprint, name_of, shown_progress};
use dress::{
    HeldBack, ModelCard, QualityBefore, QualityText, StageTimes, TextQuality, any_model, first_windows,
    stage_factor,
};
use dress_core::{Calibration, CausalLm, KeptOfKind, Progress, Selection, StockTarget, parameters};
use dress_models::checkpoint::save;
use dress_models::{AnyModel, SaveConfig, published_name};
use dress_prune::Passes;
use dress_train::{CurvePoint, LossEnds, RecoverConfig, RunDirectory, Trained};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What `dress recover` does.
#[derive(Debug)]
pub(super) struct Recover {
    /// From which checkpoint, with which text, to where.
    pub checkpoint: Transform,
    /// How it is trained.
    pub config: RecoverConfig,
    /// What the result is measured on.
    pub quality: QualitySettings,
    /// The dense model that it learns from as given, where there is one.
    pub teacher_given: Option<PathBuf>,
    /// The dense model that it learns from, where there is one.
    pub teacher: Option<PathBuf>,
    /// Where the run's numbers go for TensorBoard, if anywhere.
    pub tensorboard: Option<PathBuf>,
    /// Whose rules the shape keeps.
    pub target: StockTarget,
}

impl Recover {
    /// Trains and saves; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        let _lock = self.checkpoint.lock()?;
        self.config.check().map_err(dress_prune::Error::from)?;
        self.checkpoint.checkpoint.declared().check_stock(&Selection::new(), self.target)?;
        let config = &self.config;
        self.check_teacher()?;
        let (calibration, texts) = self.blocks_and_texts()?;
        let model = self.checkpoint.load()?;
        let context = &self.checkpoint.context;
        let dense = self.dense_model()?;
        // A training that keeps what the dense model says in a file does without the model meanwhile.
        let held = dense.clone().filter(|_| !config.cache);
        explain_interrupt(&self.run_directory());
        let done = watched(self.tensorboard.as_ref(), |progress| {
            let (nothing, before) =
                (texts.is_empty(), measured_before(&model, dense.as_ref(), texts, progress)?);
            let trained = any_model::recover(model, dense, &calibration, config, progress)
                .map_err(dress_prune::Error::from)?;
            // What was trained is not lost for want of a model to compare it with.
            let dense = match held {
                None if !nothing => self.dense_model().or_else(|error| {
                    tracing::warn!("{error}; how far the result is from the dense model is not said");
                    Ok::<_, Error>(None)
                })?,
                held => held,
            };
            let quality = compared(&before, &trained.model, dense.as_ref(), progress)?;
            Ok((trained, quality))
        });
        let ((trained, quality), events) = or_nothing_left(&self.run_directory(), done)?;
        add_the_rest(events, &trained.curve, &quality);
        let command = command_line();
        let about = json!({
            "format_version": ResultFile::FORMAT,
            "dress_version": env!("CARGO_PKG_VERSION"),
            "burn_version": ResultFile::BURN_VERSION,
            "device": context.compute.device_name(),
            "dtype": context.compute.dtype.to_string(),
            "model": published_name(self.checkpoint.model()),
            "fingerprint": fingerprint(self.checkpoint.model())?,
            "distilled_from": self.teacher.as_deref().map(published_name),
            "distilled_from_fingerprint": self.teacher.as_deref().map(fingerprint).transpose()?,
            "calibration": calibration.provenance,
            "recover": config,
            "curve": trained.curve,
            "quality": quality,
            "command": command,
        });
        let text = serde_json::to_string_pretty(&about).expect("a result is numbers, texts and lists");
        let mut extra_files = vec![("recover.json".into(), text)];
        extra_files.extend(self.how_it_was_pruned());
        let mut card = self.model_card(&trained.model, &trained.curve, &calibration, command);
        card.how.extend(quality.iter().map(TextQuality::fact));
        let (model_card, target) = (Some(card.to_string()), self.target);
        let saving = SaveConfig { extra_files, model_card, target, ..self.checkpoint.saving() };
        save(&trained.model, &self.checkpoint.out, &saving)?;
        // The curve is in recover.json now.
        self.run_directory().remove();
        let nothing = self.quality.why_nothing(&calibration);
        self.print(&trained, &quality, nothing, calibration.blocks.len(), began.elapsed().as_secs_f64())
    }

    /// Says what the training would take, and writes nothing.
    pub fn dry_run(self) -> Result<(), Error> {
        check_place(&self.checkpoint.out)?;
        self.config.check().map_err(dress_prune::Error::from)?;
        self.check_teacher()?;
        let (calibration, mut texts) = self.blocks_and_texts()?;
        let windows_of_first = texts.first().map_or(0, |text| text.windows.windows.len()) as f64;
        let all_windows = first_windows(&mut texts);
        let mut config = self.config.clone();
        let (whole, train) = (calibration.blocks.len(), &mut config.train);
        let a_step = train.batch_size.saturating_mul(train.accumulation).max(1);
        let (few, all) = (a_step.saturating_mul(FEW).min(whole), train.steps_on(whole));
        (train.epochs, train.run_dir) = (1, None);
        let steps = [train.steps_on(few), all];
        config.cache = false;
        let provenance = calibration.provenance.clone();
        let blocks = Calibration { blocks: calibration.blocks[..few].to_vec(), provenance };
        let (began, shown) = (Instant::now(), shown_progress());
        let times = StageTimes::new(&shown);
        let model = self.checkpoint.load()?;
        let context = &self.checkpoint.context;
        let dense = self.dense_model()?;
        let before = measured_before(&model, dense.as_ref(), texts, &times)?;
        let trained = any_model::recover(model, dense.clone(), &blocks, &config, &times)
            .map_err(dress_prune::Error::from)?;
        compared(&before, &trained.model, dense.as_ref(), &times)?;
        let estimate =
            times.estimate(began.elapsed().as_secs_f64(), |timed| match timed.stage.name.as_str() {
                "perplexity" => all_windows,
                "divergence" => windows_of_first,
                _ => stage_factor(&timed.stage, [few, whole], steps),
            });
        let models = [self.checkpoint.checkpoint.declared(), &trained.model];
        let (path, rehearsed) = (self.checkpoint.model(), on_few_of(few, whole));
        DryRun::of_model(path, models, None, &[], estimate, rehearsed)?.print(context.output)
    }

    /// What is trained on, and the texts that both models are measured on.
    fn blocks_and_texts(&self) -> Result<(Calibration, Vec<QualityText>), Error> {
        let measured = self.quality.held_back(|| self.to_hold_back());
        let (calibration, held_back) = self.checkpoint.blocks_and_held_back("recovery", measured.blocks)?;
        let (seqlen, held_back) = (calibration.provenance.seqlen, measured.part_of(held_back));
        let texts = self.quality.texts(&self.checkpoint.checkpoint, seqlen, [&calibration, &held_back])?;
        Ok((calibration, texts))
    }

    /// The dense model that it learns from, where there is one.
    fn dense_model(&self) -> Result<Option<AnyModel>, Error> {
        self.teacher.as_ref().map(|dense| self.checkpoint.context.load(dense)).transpose()
    }

    /// How much of the text to hold back: as much as takes some 3% of the steps' time. How far the model is
    /// from the dense one takes as much twice more, where there is one.
    fn to_hold_back(&self) -> HeldBack {
        let blocks = self.checkpoint.sampling.samples.saturating_mul(self.config.train.epochs);
        let taught = if self.teacher.is_some() { blocks } else { 0 };
        HeldBack::of(Passes { forward: taught, backward: blocks })
    }

    /// The blocks are the tokens of the model that is trained; to a teacher of another tokenizer they say
    /// something else.
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
        model: &AnyModel,
        curve: &[CurvePoint],
        calibration: &Calibration,
        command: String,
    ) -> ModelCard {
        let of_slice = self.how_it_was_pruned().find(|(name, _)| name == "dress.json");
        let sliced: Option<ResultFile> = of_slice.and_then(|(_, text)| serde_json::from_str(&text).ok());
        let before = sliced.map(|result| {
            result.model_card(&KeptOfKind::of_sliced(&result.plan.selection, &model.coupling()))
        });
        let (context, count) = (&self.checkpoint.context, parameters::count(model));
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
            sizes: before.map_or_else(|| ModelCard::parameters(count, count).into(), |card| card.sizes),
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

    fn print(
        &self,
        trained: &Trained<AnyModel>,
        quality: &[TextQuality],
        nothing: &str,
        seen: usize,
        seconds: f64,
    ) -> Result<(), Error> {
        let (parameters, steps) = (parameters::count(&trained.model), trained.curve.len());
        let ends = LossEnds::of(&trained.curve);
        let seqlen = seqlen_of_validation(quality).or(self.checkpoint.sampling.seqlen);
        let next =
            NextCommand::eval(&self.checkpoint.out, self.dense(), self.quality.validate.first(), seqlen);
        let report = json!({
            "parameters": parameters,
            "steps": steps,
            "loss_first": ends.map(|ends| ends.first),
            "loss_last": ends.map(|ends| ends.last),
            "seconds": seconds,
            "out": self.checkpoint.out.display().to_string(),
            "quality": quality,
            "next": next,
        });
        let declared = self.checkpoint.checkpoint.declared();
        let served = ServedBytes::of(self.checkpoint.model(), [declared, &trained.model], &[])?;
        self.checkpoint.context.output.print(&report, || {
            let both = BeforeAndAfter {
                names: [name_of(&self.checkpoint.given), name_of(&self.checkpoint.out)],
                parameters: [parameters::count(declared), parameters],
                served: &served,
                quality,
            };
            let about = match quality.first() {
                Some(text) => {
                    let helped = did_it_help(&text.difference, text.divergences.as_ref());
                    format!("{}{helped}\n", both.about_the_texts(seen))
                }
                None => format!("{nothing}\n"),
            };
            let (out, table, engines) =
                (self.checkpoint.out.display(), both.table(), both.about_the_engines());
            format!(
                "{steps} steps in {seconds:.0} s, written to {out}\n\n{table}\n{engines}{about}\nnext: {next}"
            )
        })
    }

    /// The dense model: the one that was learnt from, or else the checkpoint that was trained.
    fn dense(&self) -> &Path {
        self.teacher_given.as_deref().unwrap_or(&self.checkpoint.given)
    }
}

/// What the texts say of the model before training, with how far it is from the dense one, where there is
/// one.
fn measured_before(
    model: &AnyModel,
    dense: Option<&AnyModel>,
    texts: Vec<QualityText>,
    progress: &dyn Progress,
) -> Result<QualityBefore, Error> {
    let before = QualityBefore::measure(model, texts, progress)?;
    Ok(match dense {
        Some(dense) => before.with_dense(model, dense, progress)?,
        None => before,
    })
}

/// What they say of it after training.
fn compared(
    before: &QualityBefore,
    model: &AnyModel,
    dense: Option<&AnyModel>,
    progress: &dyn Progress,
) -> Result<Vec<TextQuality>, Error> {
    Ok(match dense {
        Some(dense) => before.compare_with_dense(model, dense, progress)?,
        None => before.compare(model, progress)?,
    })
}
