//! Evaluation of dense and pruned models: [`perplexity()`], exactly as the pruning papers report
//! it, and how fast it went.

mod error;
mod perplexity;
pub mod plot;

pub use error::Error;
pub use perplexity::{PerplexityConfig, PerplexityReport, perplexity};
