//! What every cell of a comparison or an ablation has in common: the checkpoint, and the texts it is evaluated on.

use super::common_args::{CalibrationArgs, CommonArgs, row_text, seqlen_or};
use crate::cells::{CellKey, DataKey, KeptOfKind, Measured, config_by_meaning};
use crate::evaluation::origin_of;
use crate::{Error, TerminalProgress, declared, tokenizer};
use dress_core::{
    AxisKind, Calibration, CausalLm, CorpusProvenance, Fingerprint, Selection, SlicePlan, parameters,
};
use dress_data::{BlockConfig, Corpus, CorpusFormat, Mixture, SampleConfig, Tokenizer, evaluation_blocks};
use dress_eval::report::Origin;
use dress_eval::{PerplexityConfig, PerplexityReport, Size, perplexity};
use dress_machine::memory;
use dress_models::AnyModel;
use dress_models::checkpoint::{fingerprint, read_config};
use dress_prune::PruneReport;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The texts, and how they are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    pub seen: &'a Path,
    pub unseen: Option<&'a Path>,
    /// The field of the rows of the first, and of the second.
    pub fields: [Option<&'a str>; 2],
    pub seqlen: Option<usize>,
    pub max_blocks: Option<usize>,
}

/// The checkpoint and the texts that every cell has in common.
pub(super) struct Bench {
    pub model: PathBuf,
    pub declared: AnyModel,
    pub fingerprint: Fingerprint,
    tokenizer: Tokenizer,
    seen: Corpus,
    unseen: Option<Corpus>,
    cut: BlockConfig,
    config: String,
}

/// A model, and how it came to be.
pub(super) struct Made {
    pub model: AnyModel,
    pub kept: Vec<KeptOfKind>,
    pub criterion: String,
    pub calibration: Option<CorpusProvenance>,
    pub training_tokens: u64,
    pub training_seconds: f64,
    pub slicing_error: Option<f64>,
    pub origin: Option<Origin>,
    pub seconds: f64,
}

impl Bench {
    /// Reads the texts and checks the checkpoint; no weights are loaded.
    ///
    /// # Errors
    /// Those of the checkpoint and of the texts.
    pub fn new(model: &Path, texts: Texts<'_>) -> Result<Self, Error> {
        let declared = declared(model)?;
        let seqlen = seqlen_or(texts.seqlen, 2048, model)?;
        let tokenizer = tokenizer(model)?;
        let read = |path: &Path, option: &'static str, field: Option<&str>| {
            check_read_twice(path, option)?;
            let rows = row_text(model, &tokenizer, field);
            Ok::<_, Error>(Corpus::read_as(path, CorpusFormat::Auto, &rows)?)
        };
        let [field, unseen_field] = texts.fields;
        let seen = read(texts.seen, "--data", field)?;
        let unseen = texts.unseen.map(|path| read(path, "--unseen", unseen_field)).transpose()?;
        Ok(Self {
            model: model.into(),
            config: config_by_meaning(&read_config(model)?.0),
            fingerprint: fingerprint(&declared, model)?,
            declared,
            tokenizer,
            seen,
            unseen,
            cut: BlockConfig::new(seqlen).max_blocks(texts.max_blocks),
        })
    }

    /// What the result of a cell depends on, that is pruned as `settings` say.
    pub fn key<S>(
        &self,
        schema: u32,
        settings: Option<S>,
        calibration: Option<DataKey>,
        common: &CommonArgs,
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
            device: common.device_name(),
            dtype: common.dtype.to_string(),
        }
    }

    /// What the calibration blocks depend on, where there is a corpus.
    ///
    /// # Errors
    /// Those of reading it, and [`dress_core::Error::TooLong`].
    pub fn calibration_key(&self, blocks: &CalibrationArgs, seed: u64) -> Result<Option<DataKey>, Error> {
        let Some(path) = &blocks.calibration else { return Ok(None) };
        check_read_twice(path, "--calibration")?;
        let rows = row_text(&self.model, &self.tokenizer, blocks.text_field.as_deref());
        let corpus = Mixture::read(path, &rows)?;
        Ok(Some(DataKey {
            sha256: corpus.sha256(),
            text_field: blocks.text_field.clone(),
            chat_template_sha256: corpus.template_sha256().map(String::from),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            seqlen: seqlen_or(blocks.seqlen, 1024, &self.model)?,
            blocks: Some(blocks.samples),
            seed: Some(seed),
            draw: Some(blocks.draw),
            join: SampleConfig::default().join,
        }))
    }

    /// What the model that `make` makes is like. The texts are cut first, so that one that does not fit is found out before
    /// any work.
    ///
    /// # Errors
    /// Those of the texts, of `make` and of [`perplexity`].
    pub fn measure(
        &self,
        common: &CommonArgs,
        make: impl FnOnce() -> Result<Made, Error>,
    ) -> Result<Measured, Error> {
        let seen = self.blocks(&self.seen)?;
        let unseen = self.unseen.as_ref().map(|corpus| self.blocks(corpus)).transpose()?;
        let made = make()?;
        let peak_bytes = memory::peak();
        Ok(Measured {
            parameters: parameters::count(&made.model),
            parameters_dense: parameters::count(&self.declared),
            seen: evaluate(&made.model, &seen)?,
            unseen: unseen.map(|blocks| evaluate(&made.model, &blocks)).transpose()?,
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
            run: common.run_info(),
        })
    }

    /// What `selection` leaves of the checkpoint's axes.
    pub fn kept(&self, selection: &Selection) -> Vec<KeptOfKind> {
        let mut axes: BTreeMap<AxisKind, usize> = BTreeMap::new();
        for (axis, _) in self.declared.coupling().iter() {
            *axes.entry(axis.kind()).or_default() += 1;
        }
        KeptOfKind::of(selection, &axes)
    }

    fn blocks(&self, corpus: &Corpus) -> Result<Calibration, Error> {
        let blocks = evaluation_blocks(corpus, &self.tokenizer, &self.cut)?;
        blocks.check(&self.declared)?;
        Ok(blocks)
    }
}

impl Made {
    /// The model as it is.
    pub fn dense(model: AnyModel) -> Self {
        Self {
            model,
            kept: Vec::new(),
            criterion: String::new(),
            calibration: None,
            training_tokens: 0,
            training_seconds: 0.0,
            slicing_error: None,
            origin: None,
            seconds: 0.0,
        }
    }

    /// With what a run's plan and report say.
    #[must_use]
    pub fn reported(self, plan: &SlicePlan, report: &PruneReport, parameters_before: u64) -> Self {
        let last = report.curve.last();
        Self {
            training_tokens: last.map_or(0, |point| point.tokens),
            training_seconds: last.map_or(0.0, |point| point.seconds),
            slicing_error: report.slicing_error,
            origin: Some(origin_of(plan, report, parameters_before)),
            ..self
        }
    }
}

/// Every cell is a process of its own, that reads the texts again.
fn check_read_twice(path: &Path, option: &'static str) -> Result<(), Error> {
    let is_stream = |part: &str| {
        let is_other = std::fs::metadata(part).is_ok_and(|about| !about.is_file() && !about.is_dir());
        part == "-" || is_other
    };
    let given = path.to_string_lossy();
    let parts = given.split(',').map(|part| part.rsplit_once(':').map_or(part, |(path, _)| path));
    match is_stream(&given) || parts.into_iter().any(is_stream) {
        true => Err(Error::ReadTwice { option, path: path.into() }),
        false => Ok(()),
    }
}

fn evaluate(model: &AnyModel, blocks: &Calibration) -> Result<PerplexityReport, Error> {
    Ok(perplexity(model, blocks, &PerplexityConfig::default(), &TerminalProgress::default())?)
}
