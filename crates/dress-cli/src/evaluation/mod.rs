//! Evaluating checkpoints into reports: what `dress eval` does, for other commands to use.

mod checkpoint;
mod files;
mod plan;

pub use checkpoint::EvaluatedCheckpoint;
pub use files::{RequestRecord, read_report, write_report, write_requests};
pub use plan::EvaluationPlan;
