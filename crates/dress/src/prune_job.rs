//! One run on one checkpoint, from its files to the smaller checkpoint's.

use crate::{Error, HeldBack, PruneResult, QualityBefore, QualityText, ResultFile, TextQuality, any_model};
use dress_core::burn::tensor::Device;
use dress_core::{Calibration, CausalLm, KeptOfKind, Progress, Scorer, parameters};
use dress_data::{Corpus, SampleConfig, calibration_and_held_back, calibration_blocks};
use dress_models::checkpoint::{SaveReport, save};
use dress_models::{AnyModel, Checkpoint, LoadConfig, SaveConfig, published_name};
use dress_prune::{Pruned, Recipe, ResolvedRecipe};
use std::path::Path;

/// A checkpoint, and a recipe with everything settled that follows from it.
///
/// See the [crate's front page](crate) for a whole run.
#[derive(Debug, Clone)]
pub struct PruneJob {
    /// What is pruned.
    pub checkpoint: Checkpoint,
    /// What a run does.
    pub resolved: ResolvedRecipe,
    /// How the calibration text is drawn.
    pub sampling: SampleConfig,
    /// The texts that both models are measured on.
    pub texts: Vec<QualityText>,
    load: LoadConfig,
    device: Device,
}

impl PruneJob {
    /// Settles what the recipe leaves open, and checks what can be checked without the weights.
    ///
    /// # Errors
    /// Those of [`Recipe::resolve`], of [`ResolvedRecipe::check`], of
    /// [`Sampling::seqlen`](crate::Sampling::seqlen), and [`dress_core::Error::PlanForAnotherModel`].
    pub fn new(
        checkpoint: Checkpoint,
        recipe: &Recipe,
        load: LoadConfig,
        device: Device,
    ) -> Result<Self, Error> {
        let declared = checkpoint.declared();
        let resolved = recipe.resolve(declared, load.dtype.dtype())?;
        if let Some(plan) = &resolved.plan {
            plan.check_fingerprint(checkpoint.fingerprint()?, &declared.coupling())?;
        }
        resolved.check(declared)?;
        let sampling = SampleConfig {
            samples: recipe.sampling.samples,
            seqlen: recipe.sampling.seqlen(declared)?,
            draw: recipe.sampling.draw,
            seed: recipe.seed,
            ..SampleConfig::default()
        };
        Ok(Self { checkpoint, resolved, sampling, texts: Vec::new(), load, device })
    }

    /// The same with texts that the model is measured on before and after the run; the run does not look at
    /// them. What they say is in the result ([`ResultFile::quality`]), and in the model card that
    /// [`PrunedCheckpoint::save`] writes.
    ///
    /// Blocks that are held back of the calibration's text are one such text. Another one is
    /// [`QualityText::of`] the [`Windows`](dress_data::Windows) of a corpus.
    ///
    /// # Examples
    /// ```
    /// use dress::{
    ///     AxisKind, Checkpoint, Corpus, CorpusFormat, HowMuch, LoadConfig, NoProgress, PruneJob, QualityText,
    ///     Ratio, Recipe, device,
    /// };
    ///
    /// # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
    /// # let (place, model) = (tempfile::tempdir()?, models.join("llama3-kjv"));
    /// # let (text, smaller) = (models.join("kjv/calibration.txt"), place.path().join("smaller"));
    /// let recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.25)?]));
    /// # let mut recipe = recipe.without_training();
    /// # (recipe.sampling.samples, recipe.sampling.seqlen) = (4, Some(32));
    /// let checkpoint = Checkpoint::open(&model)?;
    /// let job = PruneJob::new(checkpoint, &recipe, LoadConfig::default(), device::parse("cpu")?)?;
    /// let (corpus, held_back) = (Corpus::read(&text, CorpusFormat::Auto)?, job.to_hold_back());
    /// let (calibration, more) = job.calibration_and_held_back(&corpus, held_back.blocks)?;
    /// let texts = QualityText::held_back(&held_back.part_of(more)).into_iter().collect();
    /// job.measured_on(texts).run(&calibration, &NoProgress)?.save(&smaller, false)?;
    ///
    /// let card = std::fs::read_to_string(smaller.join("README.md"))?;
    /// assert!(card.contains("The perplexity on 2 blocks that were held back of `calibration.txt` went from "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn measured_on(self, texts: Vec<QualityText>) -> Self {
        Self { texts, ..self }
    }

    /// How much of the calibration's text to hold back from the run and measure on, which takes some 3% of
    /// its time.
    pub fn to_hold_back(&self) -> HeldBack {
        HeldBack::of(self.resolved.passes(self.sampling.samples))
    }

    /// How the checkpoint is loaded.
    pub(crate) fn load(&self) -> &LoadConfig {
        &self.load
    }

    /// Where it is computed.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The blocks of a text that the run looks at.
    ///
    /// # Errors
    /// Those of [`Checkpoint::tokenizer`] and of [`calibration_blocks`].
    pub fn calibration(&self, corpus: &Corpus) -> Result<Calibration, Error> {
        Ok(calibration_blocks(corpus, &self.checkpoint.tokenizer()?, &self.sampling)?)
    }

    /// The same, and up to `held_back` blocks that share no text with them: what [`QualityText::held_back`]
    /// is made of.
    ///
    /// # Errors
    /// Those of [`PruneJob::calibration`].
    pub fn calibration_and_held_back(
        &self,
        corpus: &Corpus,
        held_back: usize,
    ) -> Result<(Calibration, Calibration), Error> {
        Ok(calibration_and_held_back(corpus, &self.checkpoint.tokenizer()?, &self.sampling, held_back)?)
    }

    /// Loads the checkpoint and prunes it. Nothing is written, but where the recipe was given a run directory
    /// ([`Recipe::in_directory`](dress_prune::Recipe::in_directory)): there the search keeps what it has
    /// found and the regularization its steps, and both go on from there.
    ///
    /// # Errors
    /// Those of [`PruneJob::run_scored_by`].
    pub fn run(&self, calibration: &Calibration, progress: &dyn Progress) -> Result<PrunedCheckpoint, Error> {
        self.run_with(None, calibration, progress)
    }

    /// [`PruneJob::run`] with a scorer of your own in place of the recipe's criteria. [`Scorer`] says how one
    /// reads weights or activations. A penalty of your own is given to the recipe, by
    /// [`Recipe::penalized_by`].
    ///
    /// # Errors
    /// Those of [`Checkpoint::load`], of [`QualityBefore::measure`], of [`ResolvedRecipe::prune_scored_by`]
    /// and of [`Checkpoint::fingerprint`].
    pub fn run_scored_by(
        &self,
        scorer: &dyn Scorer<AnyModel>,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<PrunedCheckpoint, Error> {
        self.run_with(Some(scorer), calibration, progress)
    }

    fn run_with(
        &self,
        scorer: Option<&dyn Scorer<AnyModel>>,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<PrunedCheckpoint, Error> {
        self.device.seed(self.resolved.config.seed);
        let dense = self.checkpoint.load(&self.load, &self.device)?;
        let parameters_before = parameters::count(&dense);
        let before = QualityBefore::measure(&dense, self.texts.clone(), progress)?;
        let mut pruned = any_model::prune_as_resolved(&self.resolved, dense, scorer, calibration, progress)?;
        let quality = before.compare(&pruned.model, progress)?;
        // That of the files, which is the same whatever type they were loaded as.
        pruned.plan.fingerprint = self.checkpoint.fingerprint()?;
        let result = self.result(&pruned, parameters_before, calibration, quality);
        Ok(PrunedCheckpoint { model: pruned.model, result, source: self.checkpoint.clone() })
    }

    fn result(
        &self,
        pruned: &Pruned<AnyModel>,
        before: u64,
        calibration: &Calibration,
        quality: Vec<TextQuality>,
    ) -> PruneResult {
        let mut settings = self.resolved.config.clone();
        let (device, dtype) = (dress_machine::device::name(&self.device), self.load.dtype.to_string());
        let counts = [before, parameters::count(&pruned.model)];
        let result = ResultFile {
            regularize: settings.regularize.take(),
            // Wherever there are blocks they are read: what slicing moves is measured on the first.
            calibration: (!calibration.blocks.is_empty()).then(|| calibration.provenance.clone()),
            quality,
            report: pruned.report.clone(),
            ..ResultFile::of(pruned.plan.clone(), device, dtype, counts)
        };
        let model = published_name(self.checkpoint.path());
        PruneResult { result, model, rounds: self.resolved.rounds, settings }
    }
}

/// A smaller model, how it came to be, and what it came from.
#[derive(Debug)]
pub struct PrunedCheckpoint {
    /// The smaller model.
    pub model: AnyModel,
    /// How it came to be: what `dress.json` says.
    pub result: PruneResult,
    source: Checkpoint,
}

impl PrunedCheckpoint {
    /// Writes the smaller checkpoint, with its model card, `dress.json` and `plan.json`, beside its place and
    /// renames it when it is complete. With `replace`, what is there goes. The card says of every text of
    /// [`PruneJob::measured_on`] what the run did to its perplexity. What is added to
    /// [`PrunedCheckpoint::result`] before, such as a [`TextQuality`] that was measured elsewhere, is in card
    /// and file as well.
    ///
    /// # Errors
    /// Those of [`save`].
    pub fn save(&self, place: impl AsRef<Path>, replace: bool) -> Result<SaveReport, Error> {
        let result = &self.result.result;
        let kept = KeptOfKind::of(&result.plan.selection, &self.source.declared().coupling());
        let config = SaveConfig {
            extra_files: self.result.files(),
            model_card: Some(result.model_card(&kept).to_string()),
            target: self.result.settings.stock,
            source: Some(self.source.path().into()),
            force: replace,
            keep: true,
            ..SaveConfig::default()
        };
        Ok(save(&self.model, place.as_ref(), &config)?)
    }
}
