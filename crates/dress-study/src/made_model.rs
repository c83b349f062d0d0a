//! A model that is about to be measured.

use crate::origin_of;
use dress_core::{CorpusProvenance, KeptOfKind, SlicePlan};
use dress_eval::report::Origin;
use dress_models::AnyModel;
use dress_prune::PruneReport;

/// A model, and how it came to be.
#[derive(Debug)]
pub struct MadeModel {
    /// The model.
    pub model: AnyModel,
    /// What is left of each kind of axis that lost something.
    pub kept: Vec<KeptOfKind>,
    /// By what was selected.
    pub criterion: String,
    /// The text that was scored on and, where there was training, trained on.
    pub calibration: Option<CorpusProvenance>,
    /// Tokens that went through training.
    pub training_tokens: u64,
    /// Seconds that training took.
    pub training_seconds: f64,
    /// How far slicing moved the logits.
    pub slicing_error: Option<f64>,
    /// How it came to be, where it was pruned.
    pub origin: Option<Origin>,
    /// Seconds of scoring, training and slicing.
    pub seconds: f64,
}

impl MadeModel {
    /// The model as it is.
    pub fn dense(model: AnyModel) -> Self {
        Self {
            model,
            kept: Vec::new(),
            criterion: String::new(),
            calibration: None,
            training_tokens: 0,
            training_seconds: 0.0,
            slicing_error: None,
            origin: None,
            seconds: 0.0,
        }
    }

    /// With what a run's plan and report say.
    #[must_use]
    pub fn reported(self, plan: &SlicePlan, report: &PruneReport, parameters_before: u64) -> Self {
        let last = report.curve.last();
        Self {
            training_tokens: last.map_or(0, |point| point.tokens),
            training_seconds: last.map_or(0.0, |point| point.seconds),
            slicing_error: report.slicing_error,
            origin: Some(origin_of(plan, &self.kept, report, parameters_before)),
            ..self
        }
    }
}
