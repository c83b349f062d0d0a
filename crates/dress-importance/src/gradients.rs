//! First-order criteria: weights times their gradients.

use crate::per_structure::{Aggregate, SlotScore, over_slots, plain, sum_per_structure};
use dress_core::burn::module::Param;
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Axis, Calibration, CausalLm, Error, Forward, NoTap, Progress, Scores, Slot, parameters};

/// Which of LLM-Pruner's (arXiv 2305.11627) estimates of what the loss gains without a structure. `L` is the mean
/// next-token loss of all calibration blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taylor {
    /// Sum `w * dL/dw` along each row or column before taking its absolute value (the paper's vector-wise
    /// form), instead of taking that of every weight (its element-wise form, equation 5).
    pub vector: bool,
    /// How the places a structure touches are put together.
    pub aggregate: Aggregate,
}

/// The gradients of the mean loss, with the form of the estimate.
struct TaylorSlots {
    gradients: GradientsParams,
    vector: bool,
}

impl SlotScore for TaylorSlots {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let gradient = self.gradients.get::<D>(parameter.id)?.cast(DType::F32);
        let product = plain(parameter) * gradient;
        if !self.vector {
            return Some(sum_per_structure(product.abs(), dim, slot.block));
        }
        let vectors = parameters::groups(product, dim, 1).sum_dim(1).abs();
        Some(parameters::groups(vectors, 0, slot.block).sum_dim(1))
    }
}

pub(crate) fn taylor<M: CausalLm>(
    model: &M,
    calibration: &Calibration,
    axes: &[Axis],
    form: Taylor,
    progress: &dyn Progress,
) -> Result<Scores, Error> {
    let mut accumulator = GradientsAccumulator::new();
    let share = 1.0 / calibration.blocks.len() as f64;
    each_gradient(model, calibration, share, progress, |model, gradients| {
        accumulator.accumulate(model, gradients);
        Ok(())
    })?;
    let mut slots = TaylorSlots { gradients: accumulator.grads(), vector: form.vector };
    over_slots(model, axes, form.aggregate, &mut slots, |sum| sum)
}

/// `w * dL/dw` summed over all that a structure owns.
struct SignedSlots(GradientsParams);

impl SlotScore for SignedSlots {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let gradient = self.0.get::<D>(parameter.id)?.cast(DType::F32);
        Some(sum_per_structure(plain(parameter) * gradient, dim, slot.block))
    }
}

/// The empirical Fisher information of a gate on each structure: the square of `sum w * dL_n/dw`, mean over
/// calibration blocks `n` (Molchanov et al. 2019, arXiv 1906.10771, equation 8).
pub(crate) fn fisher<M: CausalLm>(
    model: &M,
    calibration: &Calibration,
    axes: &[Axis],
    progress: &dyn Progress,
) -> Result<Scores, Error> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    each_gradient(model, calibration, 1.0, progress, |_, gradients| {
        let signed = over_slots(model, axes, Aggregate::Sum, &mut SignedSlots(gradients), |sum| sum)?;
        sums.resize(axes.len(), Vec::new());
        for (sums, axis) in sums.iter_mut().zip(axes) {
            let signed = signed.get(*axis).unwrap_or(&[]);
            sums.resize(signed.len(), 0.0);
            sums.iter_mut().zip(signed).for_each(|(sum, signed)| *sum += signed * signed);
        }
        Ok(())
    })?;
    let mut scores = Scores::new();
    for (axis, sums) in axes.iter().zip(sums) {
        let mean = sums.into_iter().map(|sum| sum / calibration.blocks.len() as f64);
        scores.insert(*axis, mean.collect())?;
    }
    Ok(scores)
}

/// Hands the gradients of `share` times each block's loss to `each`.
fn each_gradient<M: CausalLm>(
    model: &M,
    calibration: &Calibration,
    share: f64,
    progress: &dyn Progress,
    mut each: impl FnMut(&M, GradientsParams) -> Result<(), Error>,
) -> Result<(), Error> {
    let model = model.clone().train();
    progress.start("gradients", calibration.blocks.len() as u64);
    for block in &calibration.blocks {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap)) * share;
        each(&model, GradientsParams::from_grads(loss.backward(), &model))?;
        progress.advance(1, "");
    }
    progress.finish();
    Ok(())
}
