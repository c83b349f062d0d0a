//! What training adds to the language-modelling loss, and does after each step.

use dress_core::CausalLm;
use dress_core::burn::tensor::Tensor;
use dress_regularize::{Regularizer, Schedule, Thresholds};
use serde::{Deserialize, Serialize};

/// A term of the objective that looks at the weights alone, and a step on the weights alone.
///
/// `share` is how much of the run is done, in `[0, 1)`.
pub trait Regularization<M: CausalLm> {
    /// The weighted penalty to add to the loss, on the autodiff graph. `[1]`
    fn penalty(&self, model: &M, share: f64) -> Option<Tensor<1>>;

    /// The model after what follows an optimizer step of a run of `total` steps.
    fn after_step(&self, model: M, share: f64, total: usize) -> M;

    /// The L2 norm of everything selected, for the curve.
    fn selected_norm(&self, model: &M) -> f64;
}

/// Plain fine-tuning.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRegularization;

impl<M: CausalLm> Regularization<M> for NoRegularization {
    fn penalty(&self, _model: &M, _share: f64) -> Option<Tensor<1>> {
        None
    }
    fn after_step(&self, model: M, _share: f64, _total: usize) -> M {
        model
    }
    fn selected_norm(&self, _model: &M) -> f64 {
        0.0
    }
}

/// How a penalty acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyForm {
    /// As a term of the loss, the paper's form (arXiv 2501.17905).
    Loss,
    /// As a proximal step after each optimizer step, which reaches exact zeros (identity E5).
    Proximal,
}

/// A penalty on the selected structures.
pub struct SelectedPenalty<'a> {
    /// The penalty, over the slots it acts on.
    pub regularizer: &'a Regularizer,
    /// How it acts.
    pub form: PenaltyForm,
    /// As a term: its weight. As a proximal step: how often the norm that each group had at the
    /// start is taken off it over the whole run, so that at `lambda` groups are zero after
    /// `1 / lambda` of the steps unless the loss holds them up.
    pub lambda: f64,
    /// How lambda changes over the run.
    pub schedule: Schedule,
}

impl<M: CausalLm> Regularization<M> for SelectedPenalty<'_> {
    fn penalty(&self, model: &M, share: f64) -> Option<Tensor<1>> {
        let weight = self.lambda * self.schedule.at(share);
        (self.form == PenaltyForm::Loss).then(|| self.regularizer.penalty(model).total() * weight)
    }

    fn after_step(&self, model: M, share: f64, total: usize) -> M {
        match self.form {
            PenaltyForm::Loss => model,
            PenaltyForm::Proximal => {
                let fraction = self.lambda * self.schedule.at(share) / total as f64;
                self.regularizer.shrink(model, Thresholds::OfInitial(fraction))
            }
        }
    }

    fn selected_norm(&self, model: &M) -> f64 {
        self.regularizer.selected_norm(model)
    }
}
