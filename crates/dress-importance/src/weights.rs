//! Criteria that look at the weights alone.

use crate::per_structure::{SlotScore, sum_in_chunks, unfiled};
use dress_core::Slot;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::Tensor;

/// Sums of absolute values, or of squares: what the L1 and the L2 norm of all a structure owns are made of
/// (Han et al. 2015, arXiv 1506.02626).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magnitude {
    L1,
    L2,
}

impl Magnitude {
    /// The norm, of its sum.
    pub fn finish(self, sum: f64) -> f64 {
        if self == Magnitude::L2 { sum.sqrt() } else { sum }
    }
}

impl SlotScore for Magnitude {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let sizes = |filed: Tensor<D>| {
            let value = unfiled(slot, filed);
            match self {
                Magnitude::L1 => value.abs(),
                Magnitude::L2 => value.clone() * value,
            }
        };
        Some(sum_in_chunks(parameter, dim, slot.block, sizes))
    }
}
