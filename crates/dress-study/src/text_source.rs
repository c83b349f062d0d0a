//! The texts of a study.

use crate::Error;
use dress_core::Calibration;
use dress_data::{Corpus, CorpusFormat, Mixture, RowText, SampleConfig, Tokenizer, WindowConfig, Windows};
use dress_models::Checkpoint;
use dress_prune::Sampling;
use std::path::{Path, PathBuf};

/// Where a text is, and what of it is the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSource {
    /// A file, a folder, or several with commas; of a calibration text also a mixture as
    /// `a.jsonl:0.7,b.parquet:0.3`.
    pub path: PathBuf,
    /// The field of each row that is its text, where there are rows.
    pub text_field: Option<String>,
}

impl TextSource {
    /// The text at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), text_field: None }
    }

    /// With the field of each row that is its text.
    #[must_use]
    pub fn text_field(self, field: Option<&str>) -> Self {
        Self { text_field: field.map(String::from), ..self }
    }

    /// Checks that the text can be read more than once, as a study does: that it is no pipe and not standard
    /// input.
    ///
    /// # Errors
    /// [`Error::ReadOnce`].
    pub fn check_read_again(&self) -> Result<(), Error> {
        let given = self.path.to_string_lossy();
        let parts = given.split(',').map(|part| part.rsplit_once(':').map_or(part, |(path, _)| path));
        match is_stream(&given) || parts.into_iter().any(is_stream) {
            true => Err(Error::ReadOnce { path: self.path.clone() }),
            false => Ok(()),
        }
    }

    /// The text as one corpus; conversations are written in the words of the chat template of `model`.
    pub(crate) fn corpus(&self, model: &Path, tokenizer: &Tokenizer) -> Result<Corpus, Error> {
        self.check_read_again()?;
        Ok(Corpus::read_as(&self.path, CorpusFormat::Auto, &self.rows(model, tokenizer))?)
    }

    /// The same as a mixture, whether or not it can be read again.
    pub(crate) fn mixture(&self, model: &Path, tokenizer: &Tokenizer) -> Result<Mixture, Error> {
        Ok(Mixture::read(&self.path, &self.rows(model, tokenizer))?)
    }

    /// The blocks that a run looks at.
    ///
    /// # Errors
    /// Those of the text, of [`Sampling::seqlen`] and of [`Mixture::blocks_and_held_back`].
    pub fn blocks(
        &self,
        checkpoint: &Checkpoint,
        sampling: &Sampling,
        seed: u64,
    ) -> Result<Calibration, Error> {
        Ok(self.blocks_and_held_back(checkpoint, sampling, seed, 0)?.0)
    }

    /// The same, and up to `held_back` blocks that share no text with them.
    ///
    /// # Errors
    /// Those of [`TextSource::blocks`].
    pub fn blocks_and_held_back(
        &self,
        checkpoint: &Checkpoint,
        sampling: &Sampling,
        seed: u64,
        held_back: usize,
    ) -> Result<(Calibration, Calibration), Error> {
        let tokenizer = checkpoint.tokenizer()?;
        let corpus = self.mixture(checkpoint.path(), &tokenizer)?;
        let seqlen = sampling.seqlen(checkpoint.declared())?;
        let (samples, draw) = (sampling.samples, sampling.draw);
        let config = SampleConfig { samples, seqlen, seed, draw, ..SampleConfig::default() };
        let (blocks, more) = corpus.blocks_and_held_back(&tokenizer, &config, held_back)?;
        tracing::info!("{} blocks of {seqlen} tokens from {}", blocks.blocks.len(), self.path.display());
        Ok((blocks, more))
    }

    /// The text from its start on, in at most `most` blocks that follow each other: what a model is measured
    /// on.
    ///
    /// # Errors
    /// Those of reading and of cutting the text.
    pub fn windows(&self, checkpoint: &Checkpoint, seqlen: usize, most: usize) -> Result<Windows, Error> {
        let tokenizer = checkpoint.tokenizer()?;
        let corpus =
            Corpus::read_as(&self.path, CorpusFormat::Auto, &self.rows(checkpoint.path(), &tokenizer))?;
        let config = WindowConfig { max_windows: Some(most), ..WindowConfig::new(seqlen) };
        Ok(Windows::new(&corpus, &tokenizer, &config)?)
    }

    fn rows(&self, model: &Path, tokenizer: &Tokenizer) -> RowText {
        RowText::default().field(self.text_field.as_deref()).chat_of(model, tokenizer)
    }
}

fn is_stream(part: &str) -> bool {
    let is_other = std::fs::metadata(part).is_ok_and(|about| !about.is_file() && !about.is_dir());
    part == "-" || is_other
}
