//! A scorer by name.

use crate::activations::{InputMetric, InputScore, activation_norms, not_passed};
use crate::depth::{block_influence, sleb};
use crate::fluctuation::standardized;
use crate::gradients::{FirstOrder, first_order};
use crate::minitron::minitron;
use crate::per_structure::{SlotScore, over_parts, over_slots};
use crate::random::random;
use crate::weights::Magnitude;
use crate::{ActivationStatistics, Aggregate, Error, Taylor};
use dress_core::{Axis, Calibration, CausalLm, CouplingMap, Parts, Progress, Role, Scorer, Scores};
use std::fmt;
use std::str::FromStr;

/// One of the criteria here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// The L1 norm of the weights.
    MagnitudeL1,
    /// The L2 norm of the weights.
    MagnitudeL2,
    /// The norm of the activations.
    ActivationNorm,
    /// Weights times the norm of the activations they meet.
    Wanda,
    /// FLAP's fluctuation of the activations.
    FlapIfv,
    /// FLAP's fluctuation, weighted.
    FlapWifv,
    /// FLAP's weighted norm.
    FlapWifn,
    /// FLAP's weighted fluctuation, standardized within each axis so that axes compare.
    Flap,
    /// Minitron's activations, their mean over each sequence.
    Minitron,
    /// Weights times gradients.
    Taylor(Taylor),
    /// The empirical Fisher information.
    Fisher,
    /// How much a block turns the stream.
    BlockInfluence,
    /// The greedy search for blocks that are not missed.
    Sleb,
    /// Chance.
    Random,
}

const fn taylor_form(vector: bool, aggregate: Aggregate) -> Criterion {
    Criterion::Taylor(Taylor { vector, aggregate })
}

/// The name of each on the command line, in plans and in results.
const NAMES: [(&str, Criterion); 21] = [
    ("magnitude-l1", Criterion::MagnitudeL1),
    ("magnitude-l2", Criterion::MagnitudeL2),
    ("activation-norm", Criterion::ActivationNorm),
    ("wanda", Criterion::Wanda),
    ("flap-ifv", Criterion::FlapIfv),
    ("flap-wifv", Criterion::FlapWifv),
    ("flap-wifn", Criterion::FlapWifn),
    ("flap", Criterion::Flap),
    ("minitron", Criterion::Minitron),
    ("taylor", taylor_form(false, Aggregate::Sum)),
    ("taylor-max", taylor_form(false, Aggregate::Max)),
    ("taylor-prod", taylor_form(false, Aggregate::Prod)),
    ("taylor-last", taylor_form(false, Aggregate::Last)),
    ("taylor-vector", taylor_form(true, Aggregate::Sum)),
    ("taylor-vector-max", taylor_form(true, Aggregate::Max)),
    ("taylor-vector-prod", taylor_form(true, Aggregate::Prod)),
    ("taylor-vector-last", taylor_form(true, Aggregate::Last)),
    ("fisher", Criterion::Fisher),
    ("block-influence", Criterion::BlockInfluence),
    ("sleb", Criterion::Sleb),
    ("random", Criterion::Random),
];

impl Criterion {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Criterion> {
        NAMES.into_iter().map(|(_, criterion)| criterion)
    }

    /// The scorer; `seed` is for those that draw.
    pub fn scorer<M: CausalLm>(self, seed: u64) -> Box<dyn Scorer<M>> {
        Box::new(CriterionScorer { criterion: self, seed, most: usize::MAX })
    }

    /// As [`Criterion::scorer`] where at most `most` blocks will go, so that a search need not look further.
    pub fn scorer_of_at_most<M: CausalLm>(self, seed: u64, most: usize) -> Box<dyn Scorer<M>> {
        Box::new(CriterionScorer { criterion: self, seed, most })
    }

    /// The name that the command line, plans and results use.
    pub fn name(self) -> &'static str {
        NAMES.into_iter().find(|(_, criterion)| *criterion == self).map_or("", |(name, _)| name)
    }

    /// Whether it looks at calibration data.
    pub fn needs_calibration(self) -> bool {
        !matches!(self, Criterion::MagnitudeL1 | Criterion::MagnitudeL2 | Criterion::Random)
    }

    /// Whether its scores of different axes are in one unit, so that they can be ranked together as they are.
    pub fn is_comparable(self) -> bool {
        self == Criterion::Flap
    }

    /// Whether it scores channels, neurons and heads.
    pub fn scores_widths(self) -> bool {
        !matches!(self, Criterion::BlockInfluence | Criterion::Sleb)
    }

    /// Whether it scores whole blocks.
    pub fn scores_depth(self) -> bool {
        !self.scores_widths() || self == Criterion::Random
    }

    /// Checks that this criterion can say something of every axis.
    fn check(self, map: &CouplingMap, axes: &[Axis]) -> Result<(), dress_core::Error> {
        for &axis in axes {
            map.axis(axis)?;
            let scored = if axis == Axis::Depth { self.scores_depth() } else { self.scores_widths() };
            if !scored {
                let use_instead = match axis {
                    Axis::Depth => "block-influence, sleb or random",
                    _ => "one that scores widths, such as activation-norm",
                };
                let (criterion, axis) = (self.name().into(), axis.to_string());
                return Err(dress_core::Error::CriterionOfAxis { criterion, axis, use_instead });
            }
        }
        Ok(())
    }

    /// The scores of a criterion that looks at weights and statistics of the activations alone.
    fn of_statistics(
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
            Criterion::BlockInfluence => return block_influence(statistics, weights.num_blocks()),
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

    fn first_order(self) -> Option<FirstOrder> {
        match self {
            Criterion::Taylor(form) => Some(FirstOrder::Taylor(form)),
            Criterion::Fisher => Some(FirstOrder::Fisher),
            _ => None,
        }
    }

    fn magnitude(self) -> Option<Magnitude> {
        match self {
            Criterion::MagnitudeL1 => Some(Magnitude::L1),
            Criterion::MagnitudeL2 => Some(Magnitude::L2),
            _ => None,
        }
    }
}

/// Weights to sum over, all at once or part by part.
trait Weights {
    fn coupling(&self) -> CouplingMap;
    fn num_blocks(&self) -> usize;
    fn over_slots(
        &self,
        axes: &[Axis],
        score: &mut impl SlotScore,
        finish: impl Fn(f64) -> f64,
    ) -> Result<Scores, dress_core::Error>;
}

struct Resident<'a, M>(&'a M);

impl<M: CausalLm> Weights for Resident<'_, M> {
    fn coupling(&self) -> CouplingMap {
        self.0.coupling()
    }
    fn num_blocks(&self) -> usize {
        self.0.num_blocks()
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

struct ByParts<'a, P>(&'a P);

impl<P: Parts> Weights for ByParts<'_, P> {
    fn coupling(&self) -> CouplingMap {
        self.0.declared().coupling()
    }
    fn num_blocks(&self) -> usize {
        self.0.declared().num_blocks()
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

struct CriterionScorer {
    criterion: Criterion,
    seed: u64,
    most: usize,
}

impl<M: CausalLm> Scorer<M> for CriterionScorer {
    fn name(&self) -> &str {
        self.criterion.name()
    }

    fn needs_calibration(&self) -> bool {
        self.criterion.needs_calibration()
    }

    fn score(
        &self,
        model: &M,
        calibration: &Calibration,
        axes: &[Axis],
        progress: &dyn Progress,
    ) -> Result<Scores, dress_core::Error> {
        if self.criterion == Criterion::Sleb {
            self.criterion.check(&model.coupling(), axes)?;
            calibration.require(model, self.criterion.name())?;
            return sleb(model, calibration, self.most, progress);
        }
        let mut scores = score_all(&[self.criterion], model, calibration, axes, self.seed, progress)?;
        Ok(scores.remove(0))
    }
}

/// The scores of several criteria, in their order, from as few passes over the calibration set as they need: one forward for
/// all that look at activations, and one forward and backward for all that look at gradients.
///
/// # Errors
/// Those of [`Scorer::score`] of each.
pub fn score_all<M: CausalLm>(
    criteria: &[Criterion],
    model: &M,
    calibration: &Calibration,
    axes: &[Axis],
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<Scores>, dress_core::Error> {
    let map = model.coupling();
    for criterion in criteria {
        criterion.check(&map, axes)?;
        if criterion.needs_calibration() {
            calibration.require(model, criterion.name())?;
        }
    }
    let with_gradients: Vec<FirstOrder> = criteria.iter().filter_map(|c| c.first_order()).collect();
    let mut of_gradients = match with_gradients.as_slice() {
        [] => Vec::new(),
        some => first_order(model, calibration, axes, some, progress)?,
    }
    .into_iter();
    let mut statistics = None;
    let mut score = |criterion: Criterion| {
        if let Some(mut magnitude) = criterion.magnitude() {
            let finish = move |sum| magnitude.finish(sum);
            return over_slots(model, axes, Aggregate::Sum, &mut magnitude, finish);
        }
        match criterion {
            Criterion::Random => random(&map, axes, seed),
            Criterion::Sleb => sleb(model, calibration, usize::MAX, progress),
            Criterion::Taylor(_) | Criterion::Fisher => {
                Ok(of_gradients.next().unwrap_or_else(|| unreachable!("one of each criterion of gradients")))
            }
            _ => {
                let statistics = match &mut statistics {
                    Some(statistics) => statistics,
                    none => none.insert(ActivationStatistics::collect(
                        model,
                        calibration,
                        criterion.name(),
                        progress,
                    )?),
                };
                criterion.of_statistics(&Resident(model), statistics, axes)
            }
        }
    };
    criteria.iter().map(|criterion| score(*criterion)).collect()
}

/// The scores of a model of which one part at a time is in memory: those of [`Criterion::scorer`].
///
/// # Errors
/// Those of the scorer, [`dress_core::Error::NotByParts`] for criteria that need gradients or many passes, and
/// those of [`Parts::part`].
pub fn score_by_parts<P: Parts>(
    criterion: Criterion,
    parts: &P,
    calibration: &Calibration,
    axes: &[Axis],
    seed: u64,
    progress: &dyn Progress,
) -> Result<Scores, dress_core::Error> {
    let map = parts.declared().coupling();
    criterion.check(&map, axes)?;
    if let Some(mut magnitude) = criterion.magnitude() {
        let finish = move |sum| magnitude.finish(sum);
        return over_parts(parts, axes, &mut magnitude, finish);
    }
    match criterion {
        Criterion::Random => random(&map, axes, seed),
        Criterion::Taylor(_) | Criterion::Fisher | Criterion::Sleb => {
            Err(dress_core::Error::NotByParts { criterion: criterion.name().into() })
        }
        _ => {
            let name = criterion.name();
            let statistics = ActivationStatistics::collect_by_parts(parts, calibration, name, progress)?;
            criterion.of_statistics(&ByParts(parts), &statistics, axes)
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Criterion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Criterion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = || NAMES.map(|(name, _)| name).join(", ");
        let found = NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, criterion)| criterion);
        found.ok_or_else(|| Error::CriterionName { name: text.into(), known: known() })
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
        fn num_blocks(&self) -> usize {
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
