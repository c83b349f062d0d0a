//! The size of the weights.

use crate::per_structure::{SlotScore, into_scores, plain, sum_over_slots, sum_per_structure};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::Tensor;
use dress_core::{Axis, Calibration, CausalLm, Error, Progress, Scorer, Scores, Slot};

/// Which norm of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// The sum of absolute values.
    L1,
    /// The root of the sum of squares.
    L2,
}

/// The norm of everything a structure owns, over all its slots (Han et al. 2015, arXiv 1506.02626).
#[derive(Debug, Clone, Copy)]
pub struct Magnitude {
    /// The norm.
    pub norm: Norm,
}

impl SlotScore for Norm {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let value = plain(parameter);
        let sizes = match self {
            Norm::L1 => value.abs(),
            Norm::L2 => value.clone() * value,
        };
        Some(sum_per_structure(sizes, dim, slot.block))
    }
}

impl<M: CausalLm> Scorer<M> for Magnitude {
    fn name(&self) -> &str {
        match self.norm {
            Norm::L1 => "magnitude-l1",
            Norm::L2 => "magnitude-l2",
        }
    }

    fn needs_calibration(&self) -> bool {
        false
    }

    fn score(
        &self,
        model: &M,
        _calibration: &Calibration,
        axes: &[Axis],
        _progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        let mut norm = self.norm;
        let sums = sum_over_slots(model, axes, &mut norm)?;
        into_scores(sums, |sum| if norm == Norm::L2 { sum.sqrt() } else { sum })
    }
}
