//! How a model came to be, for reports to say.

use dress_core::{KeptOfKind, SlicePlan};
use dress_eval::report::{CurveSample, Origin};
use dress_prune::PruneReport;

/// How a model came to be that was pruned so; `kept` is what `plan` left.
pub fn origin_of(
    plan: &SlicePlan,
    kept: &[KeptOfKind],
    report: &PruneReport,
    parameters_before: u64,
) -> Origin {
    let curve = report.curve.iter().map(|point| CurveSample {
        tokens: point.tokens,
        loss: point.loss,
        selected_norm: point.selected_norm,
    });
    Origin {
        parameters_before: Some(parameters_before),
        slicing_error: report.slicing_error,
        curve: curve.collect(),
        ..Origin::of(plan, kept)
    }
}
