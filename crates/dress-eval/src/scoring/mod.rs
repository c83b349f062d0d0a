//! How likely texts are: requests, their batches, and the passes through the model.

mod batches;
mod likelihood;
mod request;
mod targets;

pub use batches::BatchConfig;
pub use likelihood::{Likelihood, score};
pub use request::{PrefixToken, Request, RequestEncoder};
pub(crate) use targets::score_targets;
