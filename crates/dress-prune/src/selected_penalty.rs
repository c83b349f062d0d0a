//! Regularization of selected structures, in all its forms.

use crate::{GradualRefit, Leaving};
use dress_core::burn::module::Param;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{CausalLm, Error, Site, Tap};
use dress_regularize::{ActivationPenalty, ActivationTap, Gate, GateTap, Regularizer, Schedule, Thresholds};
use dress_train::{Regularization, Slicer, StepInfo, TrainingTap};
use serde::{Deserialize, Serialize};

/// How a penalty acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyForm {
    /// As a term of the loss, the paper's form (arXiv 2501.17905).
    Loss,
    /// As a proximal step after each optimizer step, which reaches exact zeros (identity [E5]).
    ///
    /// [E5]: dress_core::identities#e5
    Proximal,
    /// Not at all: a gate does it, or nothing.
    Off,
}

/// A penalty on the activations of what is selected, as a term of the loss.
#[derive(Debug, Clone, Copy)]
pub struct WeightedActivations<'a> {
    /// The penalty.
    pub penalty: &'a ActivationPenalty,
    /// Its weight.
    pub weight: f64,
}

/// A refit that is given over a run of so many steps.
#[derive(Debug, Clone, Copy)]
pub struct PacedRefit<'a> {
    /// The refit.
    pub refit: &'a GradualRefit,
    /// The steps of the whole run.
    pub steps: usize,
}

/// What is done to selected structures while the model is trained.
pub struct SelectedPenalty<'a, M> {
    /// The penalty, over the slots it acts on.
    pub regularizer: &'a Regularizer,
    /// How it acts.
    pub form: PenaltyForm,
    /// As a term: its weight. As a proximal step: how often the norm that each group had at the
    /// start is taken off it over the whole run, so that at `lambda` groups are zero after
    /// `1 / lambda` of the steps unless the loss holds them up.
    pub lambda: f64,
    /// How lambda, and the weight of the activations, change over the run.
    pub schedule: Schedule,
    /// The annealed gate, where there is one.
    pub gate: Option<&'a Gate>,
    /// The refit that is given in the measure in which the selection goes, where there is one.
    pub refit: Option<PacedRefit<'a>>,
    /// The penalty on activations, where there is one.
    pub activations: Option<WeightedActivations<'a>>,
    /// Whether the optimizer moves only what stays.
    pub kept_only: bool,
    /// Slices the model as soon as what is selected contributes nothing, so that the steps that are left
    /// train the smaller one; without it, training goes on with zeros.
    pub slicer: Option<&'a dyn Slicer<M>>,
}

impl<M: CausalLm> SelectedPenalty<'_, M> {
    fn g(&self, step: &StepInfo) -> Option<f64> {
        self.gate.map(|gate| gate.at(step.reached))
    }

    /// How far the selection has left in the forward pass of a step.
    fn leaving(&self, step: &StepInfo) -> Leaving {
        let taken = self.taken((step.share * step.total as f64).round() as usize, step.total);
        Leaving { gate: self.g(step).unwrap_or(1.0), taken }
    }

    /// The share of every group's norm that so many proximal steps of weight 1 have taken off it.
    fn taken(&self, steps: usize, total: usize) -> f64 {
        if self.form != PenaltyForm::Proximal {
            return 0.0;
        }
        let of_step = |step: usize| self.schedule.at(step as f64 / total as f64);
        ((0..steps).map(of_step).sum::<f64>() * self.lambda / total as f64).min(1.0)
    }
}

impl<M: CausalLm> Regularization<M> for SelectedPenalty<'_, M> {
    fn penalize(
        &self,
        model: &M,
        gradients: GradientsParams,
        step: &StepInfo,
    ) -> Result<(GradientsParams, f64), Error> {
        match self.form {
            PenaltyForm::Loss => {
                let weight = self.lambda * self.schedule.at(step.share);
                self.regularizer.penalize(model, gradients, weight)
            }
            PenaltyForm::Proximal | PenaltyForm::Off => Ok((gradients, 0.0)),
        }
    }

    fn view(&self, model: &M, step: &StepInfo) -> Option<M> {
        let refitted = self.refit.map(|paced| paced.refit.view(model, self.leaving(step)));
        let gated =
            self.gate.map(|gate| gate.apply(refitted.as_ref().unwrap_or(model), gate.at(step.reached)));
        gated.or(refitted)
    }

    fn tap(&self, step: &StepInfo) -> Box<dyn TrainingTap + '_> {
        let weight = |activations: WeightedActivations<'_>| activations.weight * self.schedule.at(step.share);
        Box::new(SelectedTap {
            gate: self.gate.map(|gate| gate.tap(gate.at(step.reached))),
            activations: self.activations.map(|a| (a.penalty.tap(), weight(a))),
        })
    }

    fn gradients(&self, model: &M, gradients: GradientsParams) -> GradientsParams {
        if !self.kept_only {
            return gradients;
        }
        let mut kept = Kept { regularizer: self.regularizer, gradients };
        parameters::visit(model, &mut kept);
        kept.gradients
    }

    fn after_step(&self, model: M, step: &StepInfo) -> Result<M, Error> {
        let model = match self.form {
            PenaltyForm::Loss | PenaltyForm::Off => model,
            PenaltyForm::Proximal => {
                let strength = self.lambda * self.schedule.at(step.share);
                let share = strength / step.total as f64;
                // In full only once everything should have been zero, so as not to hurry it there.
                let least = 2.0 * step.learning_rate * (strength * step.share).min(1.0);
                self.regularizer.shrink(model, Thresholds::OfInitial { share, least })?
            }
        };
        // A gate takes the mean off what the forward pass sees instead.
        Ok(if self.gate.is_some() { model } else { self.regularizer.recentre(model) })
    }

    fn selected_norm(&self, model: &M, step: &StepInfo) -> f64 {
        match self.g(step) {
            Some(0.0) => 0.0,
            g => self.regularizer.selected_norm(model) * g.unwrap_or(1.0),
        }
    }

    fn gate(&self, step: &StepInfo) -> f64 {
        self.g(step).unwrap_or(1.0)
    }

    fn is_done(&self, step: &StepInfo, selected_norm: f64) -> bool {
        match (self.gate, self.form) {
            (Some(_), _) => self.g(step) == Some(0.0),
            (None, PenaltyForm::Proximal) => selected_norm == 0.0,
            (None, _) => false,
        }
    }

    fn may_stop(&self, step: &StepInfo, selected_norm: f64) -> bool {
        // A penalty in the loss has no end, and until there is one the best model is the one it has done least to.
        let waits = self.gate.is_some() || self.form != PenaltyForm::Off || self.activations.is_some();
        !waits || Regularization::<M>::is_done(self, step, selected_norm)
    }

    fn settle(&self, model: M) -> M {
        let model = match self.refit {
            Some(PacedRefit { refit, steps }) => {
                let all = self.gate.is_some() || self.regularizer.selected_norm(&model) == 0.0;
                let at_the_end = Leaving { gate: 1.0, taken: self.taken(steps, steps) };
                refit.settle(model, if all { Leaving::ENTIRELY } else { at_the_end })
            }
            None => model,
        };
        match self.gate {
            Some(gate) => gate.close(model),
            None => model,
        }
    }

    fn slicer(&self) -> Option<&dyn Slicer<M>> {
        self.slicer
    }
}

/// The gate, and what listens behind it.
struct SelectedTap<'a> {
    gate: Option<GateTap<'a>>,
    activations: Option<(ActivationTap<'a>, f64)>,
}

impl Tap for SelectedTap<'_> {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let value = match &mut self.gate {
            Some(gate) => gate.pass(site, value),
            None => value,
        };
        match &mut self.activations {
            Some((listener, _)) => listener.pass(site, value),
            None => value,
        }
    }

    fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        if let Some((listener, _)) = &mut self.activations {
            listener.after_layer(layer, before, after);
        }
    }
}

impl TrainingTap for SelectedTap<'_> {
    fn penalty(&mut self) -> Option<Tensor<1>> {
        let (listener, weight) = self.activations.take()?;
        listener.mean().map(|mean| mean * weight)
    }
}

/// Zeroes the gradients of what is selected.
struct Kept<'a> {
    regularizer: &'a Regularizer,
    gradients: GradientsParams,
}

impl ParameterVisitor for Kept<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(parameter.id) {
            let kept = self.regularizer.zero_selected(name, layout, gradient);
            self.gradients.register(parameter.id, kept);
        }
    }
}
