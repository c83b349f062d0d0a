//! What is measured of a cell, whatever it is a cell of.

use dress_core::{CorpusProvenance, Fingerprint, KeptOfKind};
use dress_eval::report::{ModelReport, Origin, RunInfo};
use dress_eval::{PerplexityReport, Size};
use serde::{Deserialize, Serialize};

/// A model after pruning, or as it is, with all that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Parameters, a tied head counted once.
    pub parameters: u64,
    /// Those of the model as it is.
    pub parameters_dense: u64,
    /// What is left of each kind of axis that lost something.
    pub kept: Vec<KeptOfKind>,
    /// By what was selected.
    pub criterion: String,
    /// The text that was scored on and, where there was training, trained on.
    pub calibration: Option<CorpusProvenance>,
    /// Tokens that went through training.
    pub training_tokens: u64,
    /// Seconds that training took.
    #[serde(default)]
    pub training_seconds: f64,
    /// How far slicing moved the logits, see [`dress_prune::PruneReport::slicing_error`].
    pub slicing_error: Option<f64>,
    /// Perplexity on a text like the calibration's.
    pub seen: PerplexityReport,
    /// Perplexity on another text.
    pub unseen: Option<PerplexityReport>,
    /// Seconds of scoring, training and slicing.
    pub seconds: f64,
    /// The most bytes that the cell's process had in memory until the smaller model was there, loading
    /// included; absent where the system does not say.
    pub peak_bytes: Option<u64>,
    /// The same, evaluation included.
    pub peak_bytes_with_evaluation: Option<u64>,
    /// The fingerprint of the smaller model.
    pub fingerprint: Fingerprint,
    /// The architecture.
    pub architecture: String,
    /// SHA-256 of the tokenizer's file.
    pub tokenizer_sha256: String,
    /// How large it is.
    pub size: Size,
    /// How it came to be, where it was pruned.
    pub origin: Option<Origin>,
    /// When, where and with what.
    pub run: RunInfo,
}

impl Measured {
    /// What a report shows of it under this name, on the curve of this name; `path` is the checkpoint that it
    /// was made from.
    pub fn report(&self, name: String, series: Option<String>, path: &str) -> ModelReport {
        let perplexity = std::iter::once(&self.seen).chain(&self.unseen);
        ModelReport {
            name,
            series,
            path: path.into(),
            fingerprint: self.fingerprint.clone(),
            architecture: self.architecture.clone(),
            tokenizer_sha256: self.tokenizer_sha256.clone(),
            runs: vec![self.run.clone()],
            size: self.size.clone(),
            origin: self.origin.clone(),
            perplexity: perplexity.cloned().collect(),
            tasks: Vec::new(),
            departure: None,
            speed: None,
        }
    }

    /// Tokens a second of training, where there was any.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let trained = self.training_tokens > 0 && self.training_seconds > 0.0;
        trained.then(|| self.training_tokens as f64 / self.training_seconds)
    }
}
