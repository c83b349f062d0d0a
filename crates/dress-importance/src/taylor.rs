//! Weights times their gradients.

use crate::per_structure::{SlotScore, into_scores, plain, sum_over_slots, sum_per_structure};
use dress_core::burn::module::Param;
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Axis, Calibration, CausalLm, Error, Forward, NoTap, Progress, Scorer, Scores, Slot};

/// The sum over a structure's weights of `|w * dL/dw|`, the first-order estimate of what the loss
/// gains without each of them (LLM-Pruner's element-wise form, arXiv 2305.11627, equation 5). `L` is the mean
/// next-token loss of all calibration blocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taylor;

impl SlotScore for GradientsParams {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let gradient = self.get::<D>(parameter.id)?.cast(DType::F32);
        Some(sum_per_structure((plain(parameter) * gradient).abs(), dim, slot.block))
    }
}

impl<M: CausalLm> Scorer<M> for Taylor {
    fn name(&self) -> &str {
        "taylor"
    }

    fn needs_calibration(&self) -> bool {
        true
    }

    fn score(
        &self,
        model: &M,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        calibration.require(model, "taylor")?;
        let mut gradients = mean_gradients(model.clone().train(), calibration, progress);
        into_scores(sum_over_slots(model, axes, &mut gradients)?, |sum| sum)
    }
}

fn mean_gradients<M: CausalLm>(
    model: M,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> GradientsParams {
    let mut accumulator = GradientsAccumulator::new();
    let share = 1.0 / calibration.blocks.len() as f64;
    progress.start("gradients", calibration.blocks.len() as u64);
    for block in &calibration.blocks {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap)) * share;
        accumulator.accumulate(&model, GradientsParams::from_grads(loss.backward(), &model));
        progress.advance(1, "");
    }
    progress.finish();
    accumulator.grads()
}
