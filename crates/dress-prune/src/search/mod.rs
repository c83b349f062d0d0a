//! How much of each layer's neurons and heads goes, found by what the loss feels of it.
//!
//! One pass forward and back over the calibration blocks says what the loss gains as structures go, axis
//! by axis, where what reads the rest is refitted, and so in which order they go with the least of it
//! ([`Sensitivity`]); or a criterion says the order. An exact programme picks the sizes whose expected
//! losses add up to the least within the budget. Since expected losses are those of small changes, that
//! shape, an even one and shapes between the two are made, refitted and measured on blocks that were held
//! back, and the one whose next-token distributions are nearest to the whole model's is the result. Where
//! a perplexity is the goal, budgets are halved until the smallest shape that keeps to it is found.

mod allocate;
mod curvature;
mod found_so_far;
mod gain;
mod goal;
mod measured;
mod report;
mod shapes;

use crate::another_share::{UNNOTICED, as_multiples_allow, warn_of_another_share};
use crate::{Budget, Compensation, Error, Measure, Protected, compensate};
pub use curvature::Sensitivity;
use curvature::{OrderOf, expected_scores, sensitivities};
use dress_core::{
    Axis, AxisKind, Calibration, CausalLm, Fingerprint, Progress, Scorer, Scores, Selection, parameters,
};
use found_so_far::{FoundSoFar, Scored};
pub use goal::{Goal, Order, Search};
use measured::HeldBack;
pub use report::{Candidate, FrontierPoint, Passes, SearchReport};
use shapes::{Kept, Shapes, expected};
use std::collections::BTreeSet;
use std::path::Path;

impl Search {
    /// Looks for the shape of `model` that reaches the goal. With [`Order::Scores`] the scores of `scorer`
    /// say which structures of an axis go first; else it is not asked.
    ///
    /// What is found on the way is kept in `file`, where one is given. The same search goes on from what it
    /// finds there, and ends with the same shape; a search with other settings keeps what it finds beside it.
    ///
    /// # Errors
    /// Those of [`Calibration::require`] and of the scorer; [`Error::TooFewToHoldBack`],
    /// [`Error::NotSearchable`], [`Error::Solve`], [`Error::BudgetOutOfReach`],
    /// [`Error::PerplexityOutOfReach`] and [`Error::RunFile`].
    pub fn run<M: CausalLm>(
        &self,
        model: &M,
        kinds: &[AxisKind],
        scorer: &dyn Scorer<M>,
        calibration: &Calibration,
        file: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<FoundShape, Error> {
        let searched = Searched { kinds, protected: &Protected::default() };
        self.run_on(model, searched, scorer, calibration, file, progress)
    }

    /// The same, where some structures stay.
    ///
    /// # Errors
    /// Those of [`Search::run`].
    pub(crate) fn run_on<M: CausalLm>(
        &self,
        model: &M,
        Searched { kinds, protected }: Searched<'_>,
        scorer: &dyn Scorer<M>,
        calibration: &Calibration,
        file: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<FoundShape, Error> {
        calibration.require(model, "the search")?;
        let map = model.coupling();
        let mut axes = Vec::new();
        for &kind in kinds {
            axes.extend(map.of_kind(kind)?);
        }
        let blocks = &calibration.blocks[..calibration.blocks.len().min(self.blocks)];
        if blocks.len() <= self.held_back || self.held_back == 0 {
            return Err(Error::TooFewToHoldBack { blocks: blocks.len(), held_back: self.held_back });
        }
        if let Goal::Budget(budget) = self.goal {
            // Says at once where there is no such shape.
            Shapes::new(self, budget, model, &axes, protected).even()?;
        }
        let (fitted, held_back) = blocks.split_at(blocks.len() - self.held_back);
        let fitted = Calibration::from_blocks(fitted.to_vec());
        let key = self.key(model, &axes, scorer, calibration);
        let mut so_far =
            FoundSoFar::open(file, if protected.is_empty() { key } else { format!("{key} {protected}") });
        let Scored { scores, sensitivities } = match so_far.scored() {
            Some(scored) => scored,
            None => {
                let scores = match self.order {
                    Order::Scores => Some(scorer.score(model, &fitted, &axes, progress)?),
                    Order::Expected => None,
                };
                let raised = scores.as_ref().map(|scores| protected.last(scores)).transpose()?;
                let order = OrderOf { scores: raised.as_ref(), protected };
                let sensitivities = sensitivities(model, &axes, order, &fitted, progress)?;
                let scores = scores.map_or_else(|| expected_scores(&sensitivities), Ok)?;
                so_far.keep_scored(Scored { scores, sensitivities })?
            }
        };
        let held_back = HeldBack::new(model, held_back);
        let mut passes = Passes { forward: held_back.blocks(), backward: fitted.blocks.len() };
        if self.order == Order::Scores && scorer.needs_calibration() {
            passes.forward += fitted.blocks.len();
        }
        let report = SearchReport {
            format_version: SearchReport::FORMAT,
            search: self.clone(),
            passes,
            dense_loss: held_back.dense_loss(),
            sensitivities,
            frontier: Vec::new(),
            candidates: Vec::new(),
            best: 0,
        };
        let mut trials = Trials {
            search: self,
            model,
            axes: &axes,
            protected,
            fitted: &fitted,
            held_back,
            so_far,
            report,
            progress,
        };
        match self.goal {
            Goal::Budget(budget) => trials.within(budget)?,
            Goal::Perplexity { measure, times } => trials.smallest(measure, times)?,
        }
        trials.report.frontier = trials.frontier()?;
        let report = trials.report;
        let selection = shapes::selection(&report.found().kept, &report.sensitivities)?;
        model.check_stock(&selection, self.stock)?;
        Ok(FoundShape { selection, scores, report })
    }

    /// All that the result depends on.
    fn key<M: CausalLm>(
        &self,
        model: &M,
        axes: &[Axis],
        scorer: &dyn Scorer<M>,
        calibration: &Calibration,
    ) -> String {
        let dtype = parameters::list(model).first().map(|parameter| parameter.dtype);
        let (weights, data) = (Fingerprint::of(model), calibration.sha256());
        let (name, seed) = match self.order {
            Order::Scores => (scorer.name(), scorer.seed()),
            Order::Expected => ("", None),
        };
        format!("{self:?} {axes:?} {name} {seed:?} {weights} {dtype:?} {data}")
    }
}

/// Of what a search finds how much goes.
#[derive(Clone, Copy)]
pub(crate) struct Searched<'a> {
    /// The kinds of axes of which something may go.
    pub kinds: &'a [AxisKind],
    /// What stays whatever is found.
    pub protected: &'a Protected,
}

/// Shapes that are made, refitted and measured.
struct Trials<'a, M> {
    search: &'a Search,
    model: &'a M,
    axes: &'a [Axis],
    protected: &'a Protected,
    fitted: &'a Calibration,
    held_back: HeldBack<'a, M>,
    so_far: FoundSoFar,
    report: SearchReport,
    progress: &'a dyn Progress,
}

impl<M: CausalLm> Trials<'_, M> {
    /// Finds the shape within a budget that is nearest to the whole model.
    fn within(&mut self, budget: Budget) -> Result<(), Error> {
        for shape in self.candidates(budget)? {
            let index = self.measure(shape)?;
            if self.report.candidates[index].divergence < self.report.found().divergence {
                self.report.best = index;
            }
        }
        self.warn_of_what_is_left(budget)
    }

    /// Says where the shape that was found leaves another share than was asked for.
    fn warn_of_what_is_left(&self, budget: Budget) -> Result<(), Error> {
        let shapes = Shapes::new(self.search, budget, self.model, self.axes, self.protected);
        let (left, steps) = (self.report.found().left, shapes.steps()?);
        let most = self.report.candidates.iter().map(|candidate| candidate.left).fold(left, f64::max);
        warn_of_another_share(budget.measure.counted(), [shapes.share_asked_for(), left], || {
            // What was tried is all within the budget.
            match most > left + UNNOTICED {
                true => format!(
                    "a shape with {:.1}% was tried as well, and is further from what the dense model says",
                    100.0 * most
                ),
                false => as_multiples_allow(
                    &steps,
                    &self.search.served_by,
                    "no larger shape that was tried is within that",
                ),
            }
        });
        Ok(())
    }

    /// Finds the smallest shape whose perplexity is at most `times` the whole model's, to within two
    /// hundredths of the model.
    fn smallest(&mut self, measure: Measure, times: f64) -> Result<(), Error> {
        let most = self.report.dense_loss + times.ln();
        let (mut too_few, mut enough, mut found) = (0, 100, None);
        while enough - too_few > 2 {
            let percent = (too_few + enough) / 2;
            let budget = self.budget(measure, f64::from(percent) / 100.0);
            let shape = match self.candidates(budget) {
                Ok(mut shapes) => shapes.pop(),
                Err(Error::BudgetOutOfReach { .. }) => None,
                Err(error) => return Err(error),
            };
            let index = shape.map(|shape| self.measure(shape)).transpose()?;
            match index.filter(|&index| self.report.candidates[index].loss <= most) {
                Some(index) => (enough, found) = (percent, Some(index)),
                None => too_few = percent,
            }
        }
        self.report.best = found.ok_or(Error::PerplexityOutOfReach { times })?;
        Ok(())
    }

    /// The shapes within a budget that are worth a trial, each once: an even one, the one of the least
    /// expected loss, and one between the two where it fits.
    fn candidates(&self, budget: Budget) -> Result<Vec<Named>, Error> {
        let shapes = Shapes::new(self.search, budget, self.model, self.axes, self.protected);
        let even = shapes.even()?;
        let least = shapes.least(&self.report.sensitivities, whole(&shapes, &even)?)?;
        let between = shapes.between(&even, &least)?;
        let mut all = vec![("even", even), ("least expected loss", least)];
        if shapes.fits(&between)? {
            all.push(("half way between the two", between));
        }
        let mut seen = BTreeSet::new();
        all.retain(|(_, shape)| seen.insert(shape.clone()));
        let named = |(name, kept): (&'static str, Kept)| Ok(Named { name, left: shapes.share(&kept)?, kept });
        all.into_iter().map(named).collect()
    }

    fn budget(&self, measure: Measure, share: f64) -> Budget {
        Budget::share_as_served(self.model, measure, share, &self.search.served_by)
    }

    /// The least expected losses at sizes from nearly all to half.
    fn frontier(&self) -> Result<Vec<FrontierPoint>, Error> {
        let measure = match self.search.goal {
            Goal::Budget(budget) => budget.measure,
            Goal::Perplexity { measure, .. } => measure,
        };
        let at = |percent: u32| -> Result<FrontierPoint, Error> {
            let left = f64::from(percent) / 100.0;
            let budget = self.budget(measure, left);
            let shapes = Shapes::new(self.search, budget, self.model, self.axes, self.protected);
            let least = shapes.least(&self.report.sensitivities, whole(&shapes, &shapes.even()?)?)?;
            Ok(FrontierPoint { left, expected: expected(&least, &self.report.sensitivities) })
        };
        let mut points = Vec::new();
        for percent in (50..100).rev().step_by(7) {
            match at(percent) {
                Ok(point) => points.push(point),
                Err(Error::BudgetOutOfReach { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(points)
    }

    /// Measures a shape, unless that was done before it was interrupted; its place among the report's
    /// candidates.
    fn measure(&mut self, shape: Named) -> Result<usize, Error> {
        if let Some(known) = self.report.candidates.iter().position(|other| other.kept == shape.kept) {
            return Ok(known);
        }
        let candidate = match self.so_far.candidate(&shape.kept) {
            Some(candidate) => candidate,
            None => self.so_far.keep_candidate(self.measured(shape)?)?,
        };
        tracing::info!(
            "search: {}: a loss of {:.3} on blocks held back (dense {:.3}), {:.3} nats from it",
            candidate.name,
            candidate.loss,
            self.report.dense_loss,
            candidate.divergence
        );
        let kinds: BTreeSet<AxisKind> = self.axes.iter().map(|axis| axis.kind()).collect();
        // Refitting passes a layer once for each axis of it and once to go on.
        self.report.passes.forward += (1 + kinds.len()) * self.fitted.blocks.len() + self.held_back.blocks();
        self.report.candidates.push(candidate);
        Ok(self.report.candidates.len() - 1)
    }

    fn measured(&self, Named { name, left, kept }: Named) -> Result<Candidate, Error> {
        let selection = shapes::selection(&kept, &self.report.sensitivities)?;
        let (refitted, _) =
            compensate(self.model.clone(), &selection, self.fitted, Compensation::Ridge, self.progress)?;
        let (loss, divergence) = self.held_back.measure(&refitted);
        let expected = expected(&kept, &self.report.sensitivities);
        Ok(Candidate { name: name.into(), kept, left, expected, loss, divergence })
    }
}

/// A shape that is worth a trial.
struct Named {
    name: &'static str,
    /// The share of what the goal counts that is left.
    left: f64,
    kept: Kept,
}

/// The kinds of which nothing goes. On the calibration's own kind of text heads that go cost no more than
/// neurons, on other text they do; so they go where neurons alone do not reach the budget, as in the even
/// shape.
fn whole(shapes: &Shapes<'_>, even: &Kept) -> Result<&'static [AxisKind], Error> {
    Ok(if shapes.is_whole(even, AxisKind::Heads)? { &[AxisKind::Heads] } else { &[] })
}

/// A shape that was found, with what goes for it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundShape {
    /// What goes.
    pub selection: Selection,
    /// The scores that say which structures of each axis go first.
    pub scores: Scores,
    /// What was tried.
    pub report: SearchReport,
}

/// Scores that are known already.
pub(crate) struct Known<'a>(pub &'a Scores);

impl<M: CausalLm> Scorer<M> for Known<'_> {
    fn name(&self) -> &str {
        "search"
    }

    fn needs_calibration(&self) -> bool {
        true
    }

    fn score(
        &self,
        _model: &M,
        _calibration: &Calibration,
        axes: &[Axis],
        _progress: &dyn Progress,
    ) -> Result<Scores, dress_core::Error> {
        let mut scores = Scores::new();
        for &axis in axes {
            scores.insert(axis, self.0.get(axis).unwrap_or_default().to_vec())?;
        }
        Ok(scores)
    }
}
