//! Criteria that look at the activations, some of them at the weights that these meet as well.

use crate::per_structure::{SlotScore, sum_in_chunks};
use crate::{ActivationStatistics, Criterion};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::{Axis, CouplingMap, Error, Role, Scores, Site, Slot, parameters};

/// The norm of a structure's activations over the calibration tokens (Minitron, arXiv 2407.14679).
///
/// For neurons and heads, the L2 norm of what they hand to the projection behind them. For the
/// residual width, the mean over the stream's sites of a channel's energy relative to the mean
/// channel there: the stream grows from layer to layer, and without that the last layers alone
/// would decide.
pub(crate) fn activation_norms(
    statistics: &ActivationStatistics,
    map: &CouplingMap,
    axes: &[Axis],
) -> Result<Scores, Error> {
    let squares_at = |axis, site| {
        statistics.squares(site).ok_or_else(|| not_passed(Criterion::ActivationNorm, axis, site))
    };
    let mut scores = Scores::new();
    for &axis in axes {
        let len = map.axis(axis)?.len;
        let of_axis = match axis {
            Axis::Ffn { layer } => norms(&squares_at(axis, Site::Ffn { layer })?, len),
            Axis::Heads { layer } => norms(&squares_at(axis, Site::Heads { layer })?, len),
            Axis::Residual | Axis::Depth => {
                squares_at(axis, Site::Embedding)?;
                relative_energy(statistics, len)
            }
        };
        scores.insert(axis, of_axis)?;
    }
    Ok(scores)
}

/// The L2 norm of each of `len` structures, of the squares of channels that lie side by side.
pub(crate) fn norms(squares: &[f64], len: usize) -> Vec<f64> {
    let width = (squares.len() / len).max(1);
    squares.chunks(width).map(|channels| channels.iter().sum::<f64>().sqrt()).collect()
}

/// The error of a criterion that needs activations which were not there.
pub(crate) fn not_passed(criterion: Criterion, axis: Axis, site: Site) -> Error {
    Error::SiteNotPassed {
        criterion: criterion.name().into(),
        axis: axis.to_string(),
        site: format!("{site:?}"),
    }
}

fn relative_energy(statistics: &ActivationStatistics, len: usize) -> Vec<f64> {
    let mut energy = vec![0.0; len];
    for squares in statistics.sites().filter(|site| site.is_stream()).filter_map(|s| statistics.squares(s)) {
        let mean = (squares.iter().sum::<f64>() / len as f64).max(f64::MIN_POSITIVE);
        energy.iter_mut().zip(squares).for_each(|(energy, square)| *energy += square / mean);
    }
    energy
}

/// What a projection's input channel is worth, from what is known of the channel and the weights that read
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputMetric {
    /// Wanda (arXiv 2306.11695): `sum_i |W_ij| * ||x_j||`, its score of single weights gathered by structure.
    Wanda,
    /// FLAP (arXiv 2312.11983): the sample variance of `x_j`.
    Ifv,
    /// FLAP: `var(x_j) * sum_i W_ij^2`.
    Wifv,
    /// The square of that, channel by channel.
    WifvSquared,
    /// FLAP: `mean_i |W_ij| * sqrt(mean x_j^2)`.
    Wifn,
}

/// Sums over a structure's reading slots what its input channels are worth.
pub(crate) struct InputScore<'a> {
    pub metric: InputMetric,
    pub statistics: &'a ActivationStatistics,
}

impl SlotScore for InputScore<'_> {
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>> {
        let site = slot.site.filter(|_| slot.role == Role::Reads)?;
        let numbers = match self.metric {
            InputMetric::Wanda => self.statistics.squares(site)?.into_iter().map(f64::sqrt).collect(),
            InputMetric::Ifv | InputMetric::Wifv | InputMetric::WifvSquared => {
                self.statistics.variances(site)?
            }
            InputMetric::Wifn => {
                let tokens = self.statistics.tokens(site);
                self.statistics.squares(site)?.into_iter().map(|square| (square / tokens).sqrt()).collect()
            }
        };
        let shape = parameter.lazy_shape();
        let device = parameter.lazy_device();
        let channels = |number: fn(Tensor<D>) -> Tensor<D>| sum_in_chunks(parameter, dim, 1, number);
        let weight = match self.metric {
            InputMetric::Wanda => channels(Tensor::abs),
            InputMetric::Ifv => Tensor::ones([numbers.len(), 1], (&device, DType::F32)),
            InputMetric::Wifv | InputMetric::WifvSquared => channels(|weights| weights.clone() * weights),
            InputMetric::Wifn => {
                channels(Tensor::abs) / (shape.num_elements() / shape.dims::<D>()[dim]) as f64
            }
        };
        let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
        let shape = [numbers.len(), 1];
        let numbers = Tensor::from_data(TensorData::new(numbers, shape), (&device, DType::F32));
        let mut worth = weight * numbers;
        if self.metric == InputMetric::WifvSquared {
            worth = worth.clone() * worth;
        }
        Some(parameters::groups(worth, 0, slot.block).sum_dim(1))
    }
}
