//! Evaluating checkpoints into reports: what `dress eval` does, for other commands to use.

mod checkpoint;
mod files;
mod paired;
mod plan;

pub use checkpoint::EvaluatedCheckpoint;
pub use dress_study::{check_report_place, write_report};
pub use files::{RequestAnswer, RequestRecord, is_requests, read_report, write_requests};
pub use paired::{PairedValue, paired};
pub use plan::{EvaluationPlan, Measured};
