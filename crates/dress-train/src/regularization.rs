//! What training adds to the language-modelling loss, and does after each step.

use dress_core::CausalLm;
use dress_core::burn::tensor::Tensor;
use dress_regularize::{Regularizer, Schedule, Thresholds};
use serde::{Deserialize, Serialize};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepInfo {
    /// How much of the run was done before this step, in `[0, 1)`.
    pub share: f64,
    /// The steps of the whole run.
    pub total: usize,
    /// The learning rate of this step, which is about as far as AdamW moves a weight.
    pub learning_rate: f64,
}

/// A term of the objective that looks at the weights alone, and a step on the weights alone.
pub trait Regularization<M: CausalLm> {
    /// The weighted penalty to add to the loss, on the autodiff graph. `[1]`
    fn penalty(&self, model: &M, step: &StepInfo) -> Option<Tensor<1>>;

    /// The model after what follows an optimizer step.
    fn after_step(&self, model: M, step: &StepInfo) -> M;

    /// The L2 norm of everything selected, for the curve.
    fn selected_norm(&self, model: &M) -> f64;
}

/// Plain fine-tuning.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRegularization;

impl<M: CausalLm> Regularization<M> for NoRegularization {
    fn penalty(&self, _model: &M, _step: &StepInfo) -> Option<Tensor<1>> {
        None
    }
    fn after_step(&self, model: M, _step: &StepInfo) -> M {
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
    fn penalty(&self, model: &M, step: &StepInfo) -> Option<Tensor<1>> {
        let weight = self.lambda * self.schedule.at(step.share);
        (self.form == PenaltyForm::Loss).then(|| self.regularizer.penalty(model).total() * weight)
    }

    fn after_step(&self, model: M, step: &StepInfo) -> M {
        let model = match self.form {
            PenaltyForm::Loss => model,
            PenaltyForm::Proximal => {
                let strength = self.lambda * self.schedule.at(step.share);
                let share = strength / step.total as f64;
                // In full only once everything should have been zero, so as not to hurry it there.
                let least = 2.0 * step.learning_rate * (strength * step.share).min(1.0);
                self.regularizer.shrink(model, Thresholds::OfInitial { share, least })
            }
        };
        self.regularizer.recentre(model)
    }

    fn selected_norm(&self, model: &M) -> f64 {
        self.regularizer.selected_norm(model)
    }
}
