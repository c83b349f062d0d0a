//! What training adds to the loss, how the model is seen meanwhile, and what follows each step.

use crate::Slicer;
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{CausalLm, Error, NoTap, Tap};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepInfo {
    /// How much of the run was done before this step, in `[0, 1)`.
    pub share: f64,
    /// How much of it is done with this step, in `(0, 1]`.
    pub reached: f64,
    /// The steps of the whole run.
    pub total: usize,
    /// The learning rate of this step, which is about as far as AdamW moves a weight.
    pub learning_rate: f64,
}

impl StepInfo {
    /// Step `step` of `total`, counted from 0.
    pub fn new(step: usize, total: usize, learning_rate: f64) -> Self {
        let share = |steps: usize| steps as f64 / total as f64;
        Self { share: share(step), reached: share(step + 1), total, learning_rate }
    }
}

/// A tap that may ask for something to be added to the loss when the forward pass is over.
pub trait TrainingTap: Tap {
    /// What the activations that passed add to the loss, weighted, on the autodiff graph. `[1]`
    fn penalty(&mut self) -> Option<Tensor<1>> {
        None
    }
}

impl TrainingTap for NoTap {}

/// What is done about the weights, whatever the data. Every part has a default that does nothing. What fails
/// ends the run with its own cause, see [`Error::other`].
pub trait Regularization<M: CausalLm>: Sync {
    /// The weighted penalty on the weights to add to the loss, on the autodiff graph. `[1]`
    ///
    /// # Errors
    /// Whatever it ran into.
    fn penalty(&self, model: &M, step: &StepInfo) -> Result<Option<Tensor<1>>, Error> {
        let _ = (model, step);
        Ok(None)
    }

    /// `gradients` with those of the weighted penalty on the weights, and what that is: once a step, whatever
    /// its batches. By default those of [`Regularization::penalty`], which cost a pass over all weights.
    ///
    /// # Errors
    /// Those of [`Regularization::penalty`].
    fn penalize(
        &self,
        model: &M,
        gradients: GradientsParams,
        step: &StepInfo,
    ) -> Result<(GradientsParams, f64), Error> {
        let Some(term) = self.penalty(model, step)? else { return Ok((gradients, 0.0)) };
        let term = term.cast(DType::F32);
        let value = term.clone().detach().into_scalar::<f32>();
        if !term.is_tracked() {
            return Ok((gradients, value.into()));
        }
        let mut accumulator = GradientsAccumulator::new();
        accumulator.accumulate(model, gradients);
        accumulator.accumulate(model, GradientsParams::from_grads(term.backward(), model));
        Ok((accumulator.grads(), value.into()))
    }

    /// The model as the forward pass is to see it, on the autodiff graph of `model`, where that is another.
    fn view(&self, model: &M, step: &StepInfo) -> Option<M> {
        let _ = (model, step);
        None
    }

    /// What sees, and may replace, the activations of one forward pass.
    fn tap(&self, step: &StepInfo) -> Box<dyn TrainingTap + '_> {
        let _ = step;
        Box::new(NoTap)
    }

    /// The gradients that the optimizer is to follow.
    fn gradients(&self, model: &M, gradients: GradientsParams) -> GradientsParams {
        let _ = model;
        gradients
    }

    /// The model after what follows an optimizer step.
    ///
    /// # Errors
    /// Whatever it ran into.
    fn after_step(&self, model: M, step: &StepInfo) -> Result<M, Error> {
        let _ = step;
        Ok(model)
    }

    /// The L2 norm of everything selected, as the forward pass sees it, for the curve.
    fn selected_norm(&self, model: &M, step: &StepInfo) -> f64 {
        let _ = (model, step);
        0.0
    }

    /// How far a gate is open in this step, for the curve: 1 where there is none.
    fn gate(&self, step: &StepInfo) -> f64 {
        let _ = step;
        1.0
    }

    /// Whether what is selected contributes nothing any more after this step, so that it can be sliced.
    fn is_done(&self, step: &StepInfo, selected_norm: f64) -> bool {
        let _ = (step, selected_norm);
        false
    }

    /// Whether the run may stop early after this step.
    fn may_stop(&self, step: &StepInfo, selected_norm: f64) -> bool {
        let _ = (step, selected_norm);
        true
    }

    /// The model with everything that [`Regularization::view`] and [`Regularization::tap`] do at the end in
    /// its weights.
    fn settle(&self, model: M) -> M {
        model
    }

    /// What slices the model once that is done, where it is to go on smaller.
    fn slicer(&self) -> Option<&dyn Slicer<M>> {
        None
    }
}

/// Plain fine-tuning.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRegularization;

impl<M: CausalLm> Regularization<M> for NoRegularization {}
