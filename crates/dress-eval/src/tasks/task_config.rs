//! How tasks are run.

use super::fewshot::FEWSHOT_SEED;
use crate::journal::ResultCache;
use crate::scoring::BatchConfig;

/// How a task is run.
#[derive(Debug, Clone)]
pub struct TaskConfig {
    /// Examples before each question.
    pub fewshot: usize,
    /// Seed of their draw.
    pub fewshot_seed: u32,
    /// The most rows, from the first on.
    pub limit: Option<usize>,
    /// How requests are batched.
    pub batch: BatchConfig,
    /// Where results are kept and found again.
    pub cache: Option<ResultCache>,
    /// The type of the weights, which results depend on.
    pub dtype: String,
    /// The tokens at which the model ends a text that it writes.
    pub end_tokens: Vec<u32>,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            fewshot: 0,
            fewshot_seed: FEWSHOT_SEED,
            limit: None,
            batch: BatchConfig::default(),
            cache: None,
            dtype: "f32".into(),
            end_tokens: Vec::new(),
        }
    }
}
