//! Evaluating checkpoints into reports: what `dress eval` does, for other commands to use.

mod checkpoint;
mod files;
mod plan;

pub use checkpoint::{EvaluatedCheckpoint, origin_of};
pub use files::{RequestRecord, check_report_place, is_requests, read_report, write_report, write_requests};
pub use plan::EvaluationPlan;
