//! How much of each layer's neurons and heads goes, found by what the loss feels of it.
//!
//! A criterion says in which order the structures of every axis go. One pass forward and back over the calibration blocks says what
//! the loss gains by it, axis by axis, where what reads the rest is refitted ([`Sensitivity`]); an exact programme picks the sizes whose
//! expected losses add up to the least within the budget. Since expected losses are those of small changes, that shape, an even one and
//! shapes between the two are made, refitted and measured on blocks that were held back, and the one whose next-token
//! distributions are nearest to the whole model's is the result.

mod allocate;
mod curvature;
mod measured;
mod report;
mod shapes;

use crate::{Budget, Compensation, Error, compensate};
pub use curvature::Sensitivity;
use curvature::sensitivities;
use dress_core::{Axis, AxisKind, Calibration, CausalLm, Progress, Scorer, Scores, Selection, StockTarget};
use measured::HeldBack;
pub use report::{Candidate, Passes, SearchReport};
use serde::{Deserialize, Serialize};
use shapes::{Kept, Shapes, expected};
use std::collections::BTreeSet;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What should be left.
    pub budget: Budget,
    /// Whose rules the shape keeps.
    pub stock: StockTarget,
    /// What kept counts are a multiple of, beside what the family's config wants.
    pub tile: usize,
    /// Whether layers may differ.
    pub per_layer: bool,
    /// How many of the calibration blocks are held back from refitting, to measure shapes on.
    pub held_back: usize,
}

impl Search {
    /// How many blocks of that many tokens are held back: a thousand tokens or so, on which all shapes are compared.
    pub fn blocks_to_hold_back(seqlen: usize) -> usize {
        1024usize.div_ceil(seqlen.max(1))
    }

    /// Looks for the shape of `model` that meets the budget and stays nearest to what the model says. The scores of `scorer` say which
    /// structures of an axis go first.
    ///
    /// # Errors
    /// Those of [`Calibration::require`] and of the scorer; [`Error::TooFewToHoldBack`], [`Error::NotSearchable`], [`Error::Solve`]
    /// and [`Error::BudgetOutOfReach`].
    pub fn run<M: CausalLm>(
        &self,
        model: &M,
        kinds: &[AxisKind],
        scorer: &dyn Scorer<M>,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<FoundShape, Error> {
        calibration.require(model, "the search")?;
        let map = model.coupling();
        let mut axes = Vec::new();
        for &kind in kinds {
            axes.extend(map.of_kind(kind)?);
        }
        let blocks = &calibration.blocks;
        if blocks.len() <= self.held_back || self.held_back == 0 {
            return Err(Error::TooFewToHoldBack { blocks: blocks.len(), held_back: self.held_back });
        }
        let (fitted, held_back) = blocks.split_at(blocks.len() - self.held_back);
        let fitted = Calibration::from_blocks(fitted.to_vec());
        let shapes = Shapes::new(self, model, &axes);
        let even = shapes.even()?;
        let scores = scorer.score(model, &fitted, &axes, progress)?;
        let sensitivities = sensitivities(model, &axes, &scores, &fitted, progress)?;
        let held_back = HeldBack::new(model, held_back);
        let mut passes = Passes { forward: held_back.blocks(), backward: fitted.blocks.len() };
        if scorer.needs_calibration() {
            passes.forward += fitted.blocks.len();
        }
        let mut report = SearchReport {
            search: *self,
            passes,
            dense_loss: held_back.dense_loss(),
            sensitivities,
            candidates: Vec::new(),
            best: 0,
        };
        for (name, kept) in candidates(&shapes, even, &report.sensitivities)? {
            let selection = shapes.selection(&kept, &report.sensitivities)?;
            let (refitted, _) =
                compensate(model.clone(), &selection, &fitted, Compensation::Ridge, progress)?;
            let (loss, divergence) = held_back.measure(&refitted);
            let expected = expected(&kept, &report.sensitivities);
            tracing::info!(
                "search: {name}: a loss of {loss:.3} on blocks held back (dense {:.3}), {divergence:.3} nats from it",
                report.dense_loss
            );
            // Refitting passes a layer once for each axis of it and once to go on.
            report.passes.forward += (1 + kinds.len()) * fitted.blocks.len() + held_back.blocks();
            report.candidates.push(Candidate { name: name.into(), kept, expected, loss, divergence });
            if divergence < report.found().divergence {
                report.best = report.candidates.len() - 1;
            }
        }
        let selection = shapes.selection(&report.found().kept, &report.sensitivities)?;
        model.check_stock(&selection, self.stock)?;
        Ok(FoundShape { selection, scores, report })
    }
}

/// The shapes that are made and measured, each once.
fn candidates<M: CausalLm>(
    shapes: &Shapes<'_, M>,
    even: Kept,
    sensitivities: &[Sensitivity],
) -> Result<Vec<(&'static str, Kept)>, Error> {
    // On the calibration's own kind of text heads that go cost no more than neurons, on other text they do. So they go
    // where neurons alone do not reach the budget, as in the even shape.
    let whole: &[AxisKind] = if shapes.is_whole(&even, AxisKind::Heads)? { &[AxisKind::Heads] } else { &[] };
    let least = shapes.least(sensitivities, whole)?;
    let between = shapes.between(&even, &least)?;
    let mut all = vec![("even", even), ("least expected loss", least)];
    if shapes.fits(&between)? {
        all.push(("half way between the two", between));
    }
    let mut seen = BTreeSet::new();
    all.retain(|(_, shape)| seen.insert(shape.clone()));
    Ok(all)
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
