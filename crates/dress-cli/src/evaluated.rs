//! What `dress eval --json` prints.

use serde::Serialize;

/// What `dress eval --json` prints: a perplexity, if there was a text, with the size of the model it is of,
/// and whatever else was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The perplexity with its provenance.
    #[serde(flatten)]
    pub report: Option<dress_eval::PerplexityReport>,
    /// Parameters, a tied head counted once.
    pub parameters: u64,
    /// The checkpoint as given.
    pub model: String,
    /// What tables call it.
    pub name: String,
    /// The checkpoint's fingerprint.
    pub fingerprint: dress_core::Fingerprint,
    /// The device.
    pub device: String,
    /// The type of the weights.
    pub dtype: String,
    /// The version of this crate.
    pub dress_version: String,
    /// How large it is, in more words.
    pub size: dress_eval::Size,
    /// The tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<dress_eval::tasks::TaskResult>,
    /// How far it is from the model that was given with `--against`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub departure: Option<dress_eval::Departure>,
    /// What both models have, block by block and row by row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paired: Vec<crate::evaluation::PairedValue>,
    /// Bytes of its weights as they are stored, and of the other model's.
    pub stored_bytes: Vec<u64>,
    /// How fast it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<dress_eval::SpeedReport>,
    /// That model, measured alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Box<dress_eval::report::ModelReport>>,
}
