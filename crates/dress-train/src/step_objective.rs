//! What is minimized in one step.

use crate::{Objective, Regularization, StepInfo, TrainConfig};
use dress_core::burn::tensor::Tensor;
use dress_core::{Calibration, CausalLm, Tap};

/// The mean objective over the batches of one step with what the regularization adds, and the gradients of it
/// all.
pub(crate) struct StepObjective<'a, M: CausalLm> {
    pub data: &'a Calibration,
    pub objective: &'a dyn Objective<M>,
    pub regularization: &'a dyn Regularization<M>,
    pub config: &'a TrainConfig,
    /// Seed of what the step draws.
    pub seed: u64,
}

impl<M: CausalLm> StepObjective<'_, M> {
    /// What `run` makes of the model as the regularization shows it, and what the activations that passed its
    /// tap cost.
    pub fn seen<R>(
        &self,
        model: &M,
        info: &StepInfo,
        run: impl FnOnce(&M, &mut dyn Tap) -> R,
    ) -> (R, Option<Tensor<1>>) {
        let viewed = self.regularization.view(model, info);
        let mut tap = self.regularization.tap(info);
        let result = run(viewed.as_ref().unwrap_or(model), tap.as_mut());
        (result, tap.penalty())
    }
}
