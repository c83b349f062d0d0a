//! How much of each layer's neurons and heads goes, found by measuring the loss.
//!
//! Losses of single layers do not add up: in a model that has lost a quarter everywhere, one more neuron of a layer costs another
//! amount than in the dense model. So the search goes in rounds around a reference that is as small as the result has to be. In
//! the first it keeps the same share of every layer. In every round each axis is measured some structures above and below its size
//! in the reference, everything else as there ([`Sensitivity`]); an exact programme picks the sizes in that range whose measured losses
//! add up to the least within the budget; and the loss of the model that they make is measured. The best model that was measured
//! is the result.

mod allocate;
mod removal;
mod report;
mod rounds;
mod sensitivity;

use crate::{Budget, Error};
use dress_core::{Axis, AxisKind, Calibration, CausalLm, Progress, Scorer, Scores, Selection, StockTarget};
pub use report::{SearchReport, SearchRound};
use rounds::Rounds;
pub use sensitivity::{MeasuredLoss, Sensitivity};
use serde::{Deserialize, Serialize};

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
    /// How many of the calibration blocks are held back from refitting, to measure the loss on.
    pub held_back: usize,
    /// How often all axes are measured around the latest shape.
    pub rounds: usize,
}

impl Search {
    /// How often all axes are measured where nothing is said.
    pub const USUAL_ROUNDS: usize = 2;

    /// How many blocks of that many tokens are held back: a thousand tokens or so, on which the same losses are compared.
    pub fn blocks_to_hold_back(seqlen: usize) -> usize {
        1024usize.div_ceil(seqlen.max(1))
    }

    /// Looks for the shape of `model` that meets the budget at the least measured loss.
    ///
    /// # Errors
    /// Those of [`Calibration::require`]; [`Error::TooFewToHoldBack`], [`Error::NotSearchable`], [`Error::Solve`] and
    /// [`Error::BudgetOutOfReach`].
    pub fn run<M: CausalLm>(
        &self,
        model: &M,
        kinds: &[AxisKind],
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
        let of = |blocks: &[Vec<u32>]| Calibration::from_blocks(blocks.to_vec());
        let (fitted, held_back) = (of(fitted), of(held_back));
        Rounds { search: self, model, axes: &axes, fitted: &fitted, held_back: &held_back }.run(progress)
    }
}

/// A shape that was found, with what goes for it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundShape {
    /// What goes.
    pub selection: Selection,
    /// When each structure went, which stands for its score.
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
