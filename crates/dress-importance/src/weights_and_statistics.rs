//! Scores from weights and statistics of the activations, the weights all in memory or a part at a time.

use crate::activations::{InputMetric, InputScore, activation_norms, not_passed};
use crate::depth::block_influence;
use crate::fluctuation::standardized;
use crate::minitron::minitron;
use crate::per_structure::{SlotScore, over_parts, over_slots};
use crate::{ActivationStatistics, Aggregate, Criterion};
use dress_core::{Axis, CausalLm, CouplingMap, Parts, Role, Scores};

impl Criterion {
    /// The scores of a criterion that looks at weights and statistics of the activations alone.
    pub(crate) fn of_statistics(
        self,
        weights: &impl Weights,
        statistics: &ActivationStatistics,
        axes: &[Axis],
    ) -> Result<Scores, dress_core::Error> {
        self.check_sites(&weights.coupling(), statistics, axes)?;
        let metric = match self {
            Criterion::Wanda => InputMetric::Wanda,
            Criterion::FlapIfv => InputMetric::Ifv,
            Criterion::FlapWifv => InputMetric::Wifv,
            Criterion::FlapWifn => InputMetric::Wifn,
            Criterion::Flap => {
                let sums_of =
                    |metric| weights.over_slots(axes, &mut InputScore { metric, statistics }, |sum| sum);
                let (sums, squares) = (sums_of(InputMetric::Wifv)?, sums_of(InputMetric::WifvSquared)?);
                return standardized(&weights.coupling(), &sums, &squares);
            }
            Criterion::Minitron => return minitron(statistics, &weights.coupling(), axes),
            Criterion::BlockInfluence => return block_influence(statistics, weights.num_layers()),
            _ => return activation_norms(statistics, &weights.coupling(), axes),
        };
        weights.over_slots(axes, &mut InputScore { metric, statistics }, |sum| sum)
    }

    /// Checks that what each axis' readers read has passed, where this criterion multiplies the two.
    fn check_sites(
        self,
        map: &CouplingMap,
        statistics: &ActivationStatistics,
        axes: &[Axis],
    ) -> Result<(), dress_core::Error> {
        if matches!(self, Criterion::ActivationNorm | Criterion::Minitron | Criterion::BlockInfluence) {
            return Ok(());
        }
        for &axis in axes {
            let readers = map.axis(axis)?.slots.iter().filter(|slot| slot.role == Role::Reads);
            let mut sites = readers.filter_map(|slot| slot.site);
            if let Some(site) = sites.find(|&site| statistics.tokens(site) == 0.0) {
                return Err(not_passed(self, axis, site));
            }
        }
        Ok(())
    }
}

/// Weights to sum over, all at once or part by part.
pub(crate) trait Weights {
    fn coupling(&self) -> CouplingMap;
    fn num_layers(&self) -> usize;
    fn over_slots(
        &self,
        axes: &[Axis],
        score: &mut impl SlotScore,
        finish: impl Fn(f64) -> f64,
    ) -> Result<Scores, dress_core::Error>;
}

/// All weights of a model.
pub(crate) struct Resident<'a, M>(pub &'a M);

impl<M: CausalLm> Weights for Resident<'_, M> {
    fn coupling(&self) -> CouplingMap {
        self.0.coupling()
    }
    fn num_layers(&self) -> usize {
        self.0.num_layers()
    }
    fn over_slots(
        &self,
        axes: &[Axis],
        score: &mut impl SlotScore,
        finish: impl Fn(f64) -> f64,
    ) -> Result<Scores, dress_core::Error> {
        over_slots(self.0, axes, Aggregate::Sum, score, finish)
    }
}

/// The weights of one part of a model at a time.
pub(crate) struct ByParts<'a, P>(pub &'a P);

impl<P: Parts> Weights for ByParts<'_, P> {
    fn coupling(&self) -> CouplingMap {
        self.0.declared().coupling()
    }
    fn num_layers(&self) -> usize {
        self.0.declared().num_layers()
    }
    fn over_slots(
        &self,
        axes: &[Axis],
        score: &mut impl SlotScore,
        finish: impl Fn(f64) -> f64,
    ) -> Result<Scores, dress_core::Error> {
        over_parts(self.0, axes, score, finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::burn::tensor::{Device, Tensor};
    use dress_core::{AxisSlots, Component, MultipleOf, Site, Slot, Tap};

    /// An axis of three neurons, whose reader reads what passes `site`.
    struct OneAxis(Site);

    impl Weights for OneAxis {
        fn coupling(&self) -> CouplingMap {
            let slots = vec![Slot::new("down.weight", 1, Role::Reads, Component::Ffn).site(self.0)];
            let axis = AxisSlots { len: 3, multiple_of: MultipleOf::ONE, normalization: None, slots };
            CouplingMap::new().with(Axis::Ffn { layer: 0 }, axis)
        }
        fn num_layers(&self) -> usize {
            1
        }
        fn over_slots(
            &self,
            _: &[Axis],
            _: &mut impl SlotScore,
            _: impl Fn(f64) -> f64,
        ) -> Result<Scores, dress_core::Error> {
            Ok(Scores::new())
        }
    }

    #[test]
    fn a_site_that_never_passed_is_an_error_and_no_score_of_zero() {
        let mut statistics = ActivationStatistics::default();
        statistics.pass(Site::Heads { layer: 0 }, Tensor::ones([1, 2, 3], &Device::flex()));
        let site = Site::Ffn { layer: 0 };
        for criterion in [Criterion::Wanda, Criterion::Flap, Criterion::ActivationNorm, Criterion::Minitron] {
            let score = |statistics: &ActivationStatistics| {
                criterion.of_statistics(&OneAxis(site), statistics, &[Axis::Ffn { layer: 0 }])
            };
            let message = score(&statistics).unwrap_err().to_string();
            assert!(message.contains(criterion.name()) && message.contains("ffn.0"), "{message}");
            assert!(message.contains("Ffn { layer: 0 }"), "{message}");
            let mut passed = statistics.clone();
            passed.pass(site, Tensor::ones([1, 2, 3], &Device::flex()));
            assert!(score(&passed).is_ok());
        }
    }
}
