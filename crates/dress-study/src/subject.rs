//! What every cell of a study has in common: the checkpoint, and the texts it is evaluated on.

use crate::kept_cells::{CellKey, DataKey, Measured, config_by_meaning};
use crate::{ComputeSettings, Error, MadeModel, TextSource};
use dress::any_model;
use dress_core::{
    Calibration, CausalLm, Fingerprint, KeptOfKind, Progress, Selection, parameters, seqlen_or,
};
use dress_data::{BlockConfig, Corpus, SampleConfig, Tokenizer, evaluation_blocks};
use dress_eval::{PerplexityConfig, PerplexityReport, Size};
use dress_machine::memory;
use dress_models::checkpoint::read_config;
use dress_models::{AnyModel, Checkpoint};
use dress_prune::Sampling;
use std::path::PathBuf;

/// The texts that every cell is evaluated on, and how they are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationTexts {
    /// A text like the calibration's, never the same.
    pub seen: TextSource,
    /// Another text, that nothing was calibrated on.
    pub unseen: Option<TextSource>,
    /// Tokens a block; without it [`EvaluationTexts::USUAL_SEQLEN`], or what the model has positions for.
    pub seqlen: Option<usize>,
    /// The most blocks of each text, from its start; without it all.
    pub max_blocks: Option<usize>,
}

impl EvaluationTexts {
    /// Tokens a block where nothing is said.
    pub const USUAL_SEQLEN: usize = 2048;

    /// One text, cut as usual.
    pub fn new(seen: impl Into<PathBuf>) -> Self {
        Self { seen: TextSource::new(seen), unseen: None, seqlen: None, max_blocks: None }
    }
}

/// The checkpoint that is studied and the texts that every cell is evaluated on, read once.
#[derive(Debug)]
pub struct Subject {
    checkpoint: Checkpoint,
    fingerprint: Fingerprint,
    tokenizer: Tokenizer,
    seen: Corpus,
    unseen: Option<Corpus>,
    cut: BlockConfig,
    config: String,
}

impl Subject {
    /// Reads the texts and checks the checkpoint; no weights are loaded.
    ///
    /// # Errors
    /// Those of the checkpoint and of the texts, and [`dress_core::Error::TooLong`].
    pub fn new(checkpoint: Checkpoint, texts: &EvaluationTexts) -> Result<Self, Error> {
        let seqlen =
            seqlen_or(texts.seqlen, EvaluationTexts::USUAL_SEQLEN, checkpoint.declared().max_positions())?;
        let tokenizer = checkpoint.tokenizer()?;
        let read = |text: &TextSource| text.corpus(checkpoint.path(), &tokenizer);
        let seen = read(&texts.seen)?;
        let unseen = texts.unseen.as_ref().map(read).transpose()?;
        Ok(Self {
            config: config_by_meaning(&read_config(checkpoint.path())?.0),
            fingerprint: checkpoint.fingerprint()?,
            checkpoint,
            tokenizer,
            seen,
            unseen,
            cut: BlockConfig::new(seqlen).max_blocks(texts.max_blocks),
        })
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The fingerprint of its files.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The model that its configuration describes, without its weights.
    pub fn declared(&self) -> &AnyModel {
        self.checkpoint.declared()
    }

    /// What the result of a cell depends on, that is pruned as `settings` say.
    pub fn key<S>(
        &self,
        schema: u32,
        settings: Option<S>,
        calibration: Option<DataKey>,
        compute: &ComputeSettings,
    ) -> CellKey<S> {
        let text = |corpus: &Corpus| DataKey {
            sha256: corpus.sha256().into(),
            text_field: corpus.text_field().map(String::from),
            chat_template_sha256: corpus.template_sha256().map(String::from),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            seqlen: self.cut.seqlen,
            blocks: self.cut.max_blocks,
            seed: None,
            draw: None,
            join: self.cut.join.clone(),
        };
        CellKey {
            schema,
            dress_version: env!("CARGO_PKG_VERSION"),
            fingerprint: self.fingerprint.clone(),
            config: self.config.clone(),
            settings,
            calibration,
            seen: text(&self.seen),
            unseen: self.unseen.as_ref().map(text),
            device: compute.device_key(),
            dtype: compute.dtype.to_string(),
        }
    }

    /// What the calibration blocks of a run depend on.
    ///
    /// # Errors
    /// Those of reading the text, and [`dress_core::Error::TooLong`].
    pub fn calibration_key(
        &self,
        text: &TextSource,
        sampling: &Sampling,
        seed: u64,
    ) -> Result<DataKey, Error> {
        text.check_read_again()?;
        let corpus = text.mixture(self.checkpoint.path(), &self.tokenizer)?;
        Ok(DataKey {
            sha256: corpus.sha256(),
            text_field: text.text_field.clone(),
            chat_template_sha256: corpus.template_sha256().map(String::from),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            seqlen: sampling.seqlen(self.declared())?,
            blocks: Some(sampling.samples),
            seed: Some(seed),
            draw: Some(sampling.draw),
            join: SampleConfig::default().join,
        })
    }

    /// What the model that `make` makes is like. The texts are cut first, so that one that does not fit is
    /// found out before any work.
    ///
    /// # Errors
    /// Those of the texts, of `make` and of [`any_model::perplexity`].
    pub fn measure(
        &self,
        compute: &ComputeSettings,
        seed: u64,
        progress: &dyn Progress,
        make: impl FnOnce() -> Result<MadeModel, Error>,
    ) -> Result<Measured, Error> {
        let seen = self.blocks(&self.seen)?;
        let unseen = self.unseen.as_ref().map(|corpus| self.blocks(corpus)).transpose()?;
        let made = make()?;
        let evaluate = |blocks| evaluate(&made.model, blocks, progress);
        let peak_bytes = memory::peak();
        Ok(Measured {
            parameters: parameters::count(&made.model),
            parameters_dense: parameters::count(self.declared()),
            seen: evaluate(&seen)?,
            unseen: unseen.as_ref().map(evaluate).transpose()?,
            kept: made.kept,
            criterion: made.criterion,
            calibration: made.calibration,
            training_tokens: made.training_tokens,
            training_seconds: made.training_seconds,
            slicing_error: made.slicing_error,
            seconds: made.seconds,
            peak_bytes,
            peak_bytes_with_evaluation: memory::peak(),
            fingerprint: Fingerprint::of(&made.model),
            architecture: made.model.architecture().into(),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            size: Size::of(&made.model),
            origin: made.origin,
            run: compute.run_info(seed),
        })
    }

    /// What `selection` leaves of the checkpoint's axes.
    pub fn kept(&self, selection: &Selection) -> Vec<KeptOfKind> {
        KeptOfKind::of(selection, &self.declared().coupling())
    }

    /// The blocks of the texts that every cell is evaluated on.
    pub(crate) fn evaluation_blocks(&self) -> Result<Vec<Calibration>, Error> {
        std::iter::once(&self.seen).chain(&self.unseen).map(|corpus| self.blocks(corpus)).collect()
    }

    fn blocks(&self, corpus: &Corpus) -> Result<Calibration, Error> {
        let blocks = evaluation_blocks(corpus, &self.tokenizer, &self.cut)?;
        blocks.check(self.declared())?;
        Ok(blocks)
    }
}

fn evaluate(
    model: &AnyModel,
    blocks: &Calibration,
    progress: &dyn Progress,
) -> Result<PerplexityReport, Error> {
    Ok(any_model::perplexity(model, blocks, &PerplexityConfig::default(), progress)?)
}
