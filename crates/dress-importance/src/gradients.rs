//! First-order criteria: weights times their gradients.

use crate::per_structure::{Aggregate, SlotScore, over_slots, plain, sum_per_structure, unfiled};
use dress_core::burn::module::Param;
use dress_core::burn::optim::{GradientsAccumulator, GradientsParams};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{
    Axis, Calibration, CausalLm, Error, Forward, NoTap, Progress, Scores, Slot, Unit, parameters,
};

/// Which of LLM-Pruner's (arXiv 2305.11627) estimates of what the loss gains without a structure. `L` is the
/// mean next-token loss of all calibration blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taylor {
    /// Sum `w * dL/dw` along each row or column before taking its absolute value (the paper's vector-wise
    /// form), instead of taking that of every weight (its element-wise form, equation 5).
    pub vector: bool,
    /// How the places a structure touches are put together.
    pub aggregate: Aggregate,
}

/// A criterion of weights and gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstOrder {
    Taylor(Taylor),
    /// The empirical Fisher information of a gate on each structure: the square of `sum w * dL_n/dw`, mean
    /// over calibration blocks `n` (Molchanov et al. 2019, arXiv 1906.10771, equation 8).
    Fisher,
}

/// The sum of every block's gradients, with what makes it their mean and the form of the estimate.
struct TaylorSlots<'a> {
    gradients: &'a GradientsParams,
    share: f64,
    vector: bool,
}

impl SlotScore for TaylorSlots<'_> {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let gradient = self.gradients.get::<D>(parameter.id)?.cast(DType::F32);
        let product = unfiled(slot, plain(parameter)) * (gradient * self.share);
        if !self.vector {
            return Some(sum_per_structure(product.abs(), dim, slot.block));
        }
        let vectors = parameters::groups(product, dim, 1).sum_dim(1).abs();
        Some(parameters::groups(vectors, 0, slot.block).sum_dim(1))
    }
}

/// `w * dL/dw` summed over all that a structure owns.
struct SignedSlots<'a>(&'a GradientsParams);

impl SlotScore for SignedSlots<'_> {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let gradient = self.0.get::<D>(parameter.id)?.cast(DType::F32);
        Some(sum_per_structure(unfiled(slot, plain(parameter)) * gradient, dim, slot.block))
    }
}

/// The scores of each of `criteria`, from one forward and backward pass over the blocks.
pub(crate) fn first_order<M: CausalLm>(
    model: &M,
    calibration: &Calibration,
    axes: &[Axis],
    criteria: &[FirstOrder],
    progress: &dyn Progress,
) -> Result<Vec<Scores>, Error> {
    let mut sum = GradientsAccumulator::new();
    let mut squares = vec![Vec::new(); axes.len()];
    let with_fisher = criteria.contains(&FirstOrder::Fisher);
    let with_taylor = criteria.iter().any(|criterion| *criterion != FirstOrder::Fisher);
    let share = 1.0 / calibration.blocks.len() as f64;
    let model = model.clone().train();
    let stage = progress.begin("gradients", Unit::Blocks, calibration.blocks.len() as u64);
    for block in &calibration.blocks {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        if with_fisher {
            let signed = over_slots(&model, axes, Aggregate::Sum, &mut SignedSlots(&gradients), |sum| sum)?;
            for (squares, axis) in squares.iter_mut().zip(axes) {
                add_squares(squares, signed.get(*axis).unwrap_or(&[]));
            }
        }
        if with_taylor {
            sum.accumulate(&model, gradients);
        }
        stage.advance(1)?;
    }
    drop(stage);
    let gradients = sum.grads();
    let score = |criterion: &FirstOrder| match criterion {
        FirstOrder::Taylor(Taylor { vector, aggregate }) => {
            let mut slots = TaylorSlots { gradients: &gradients, share, vector: *vector };
            over_slots(&model, axes, *aggregate, &mut slots, |sum| sum)
        }
        FirstOrder::Fisher => {
            let mut scores = Scores::new();
            for (axis, squares) in axes.iter().zip(&squares) {
                scores.insert(*axis, squares.iter().map(|sum| sum * share).collect())?;
            }
            Ok(scores)
        }
    };
    criteria.iter().map(score).collect()
}

fn add_squares(sums: &mut Vec<f64>, numbers: &[f64]) {
    sums.resize(numbers.len(), 0.0);
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number * number);
}
