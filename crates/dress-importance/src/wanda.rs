//! Weights times the activations they meet.

use crate::ActivationStatistics;
use crate::per_structure::{SlotScore, into_scores, plain, sum_over_slots};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters;
use dress_core::{Axis, Calibration, CausalLm, Error, Progress, Role, Scorer, Scores, Slot};

/// The sum over a structure's reading slots of `|W_ij| * ||x_j||`, Wanda's (arXiv 2306.11695) score of
/// single weights gathered by structure.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanda;

impl SlotScore for ActivationStatistics {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let squares = self.squares(slot.site.filter(|_| slot.role == Role::Reads)?)?;
        let weights = parameters::groups(plain(parameter).abs(), dim, 1).sum_dim(1);
        let norms: Vec<f32> = squares.iter().map(|square| square.sqrt() as f32).collect();
        let norms = TensorData::new(norms, [squares.len(), 1]);
        let scores = weights.clone() * Tensor::from_data(norms, (&weights.device(), DType::F32));
        Some(parameters::groups(scores, 0, slot.block).sum_dim(1))
    }
}

impl<M: CausalLm> Scorer<M> for Wanda {
    fn name(&self) -> &str {
        "wanda"
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
        let mut statistics = ActivationStatistics::collect(model, calibration, "wanda", progress)?;
        into_scores(sum_over_slots(model, axes, &mut statistics)?, |sum| sum)
    }
}
