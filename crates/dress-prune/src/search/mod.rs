//! How much of each layer's neurons and heads goes, found by measuring the loss.
//!
//! For every axis the structures are put in the order in which they are missed least once the rest is refitted, and the loss
//! is measured at a few sizes ([`Sensitivity`]). From that table an exact programme picks what every axis keeps, so that the sum of
//! the losses is the least of all shapes within the budget: one number for all layers where the target has one, or a number a layer.

mod allocate;
mod removal;
mod sensitivity;

use crate::costs::{Costs, Gone};
use crate::{Budget, Error};
use allocate::{Choice, allocate};
use dress_core::{
    Axis, AxisKind, AxisSelection, Calibration, CausalLm, Progress, Scorer, Scores, Selection, StockTarget,
};
use sensitivity::Measuring;
pub use sensitivity::{MeasuredLoss, Sensitivity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
}

impl Search {
    /// How many blocks of that many tokens are held back: a thousand tokens or so, on which the same losses are compared.
    pub fn blocks_to_hold_back(seqlen: usize) -> usize {
        1024usize.div_ceil(seqlen.max(1))
    }
}

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchReport {
    /// What was looked for.
    pub search: Search,
    /// The whole model's loss on the blocks held back, in nats a token.
    pub dense_loss: f64,
    /// What the table says that the found shape adds to it, were losses to add up.
    pub predicted_loss: f64,
    /// The table.
    pub sensitivities: Vec<Sensitivity>,
    /// What stays of each axis.
    pub kept: BTreeMap<Axis, usize>,
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

impl Search {
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
        let measuring = Measuring { model, fitted: &fitted, held_back: &held_back, axes: &axes };
        let (dense_loss, sensitivities) = measuring.run(progress)?;
        self.shape(model, dense_loss, sensitivities)
    }

    /// The best shape by a table that was measured before.
    ///
    /// # Errors
    /// [`Error::BudgetOutOfReach`], and those of reading the coupling map.
    pub fn shape<M: CausalLm>(
        &self,
        model: &M,
        dense_loss: f64,
        sensitivities: Vec<Sensitivity>,
    ) -> Result<FoundShape, Error> {
        let costs = Costs::new(model, self.budget.measure);
        let whole = costs.left(&Gone::new());
        let tables = sensitivities
            .iter()
            .map(|seen| self.choices(model, seen, &costs, whole))
            .collect::<Result<Vec<_>, Error>>()?;
        let spare = self.budget.left - whole;
        let chosen = match self.per_layer {
            true => allocate(&tables, spare),
            false => uniform(&sensitivities, &tables, spare),
        };
        let chosen = chosen.ok_or_else(|| self.budget.out_of_reach(model, None))?;
        let picked: Vec<Choice> = tables.iter().zip(&chosen).map(|(table, &index)| table[index]).collect();
        let (mut selection, mut scores, mut kept) = (Selection::new(), Scores::new(), BTreeMap::new());
        for (seen, choice) in sensitivities.iter().zip(&picked) {
            let removed = seen.structures - choice.kept;
            let mut gone = seen.order[..removed].to_vec();
            gone.sort_unstable();
            if removed > 0 {
                selection = selection.with(seen.axis, AxisSelection::new(seen.structures, gone)?);
            }
            scores.insert(seen.axis, when_gone(seen))?;
            kept.insert(seen.axis, choice.kept);
        }
        model.check_stock(&selection, self.stock)?;
        let predicted_loss = picked.iter().map(|choice| choice.loss).sum();
        let report = SearchReport { search: *self, dense_loss, predicted_loss, sensitivities, kept };
        Ok(FoundShape { selection, scores, report })
    }

    /// What one axis could keep, the most first: what its config and the tile allow.
    fn choices<M: CausalLm>(
        &self,
        model: &M,
        seen: &Sensitivity,
        costs: &Costs,
        whole: f64,
    ) -> Result<Vec<Choice>, Error> {
        let map = model.coupling();
        let step = map.axis(seen.axis)?.multiple_of.of(self.stock);
        let tile = if seen.axis.kind() == AxisKind::Ffn { self.tile.max(1) } else { 1 };
        let step = crate::select::least_common_multiple(step, tile);
        let counts = (seen.structures - seen.order.len()..=seen.structures).rev();
        let allowed = counts.filter(|&kept| kept > 0 && (kept % step == 0 || kept == seen.structures));
        Ok(allowed
            .map(|kept| {
                let removed = seen.structures - kept;
                let cost = costs.left(&Gone::from([(seen.axis, removed)])) - whole;
                Choice { kept, cost, loss: seen.loss(removed) }
            })
            .collect())
    }
}

/// When each structure of an axis went; those that never did are worth most.
fn when_gone(seen: &Sensitivity) -> Vec<f64> {
    let mut scores = vec![seen.order.len() as f64; seen.structures];
    seen.order.iter().enumerate().for_each(|(place, &structure)| scores[structure] = place as f64);
    scores
}

/// The best choice of which all axes of a kind keep the same, by trying every combination of the kinds' counts.
fn uniform(seen: &[Sensitivity], tables: &[Vec<Choice>], spare: f64) -> Option<Vec<usize>> {
    let mut kinds: BTreeMap<AxisKind, Vec<usize>> = BTreeMap::new();
    for (index, seen) in seen.iter().enumerate() {
        kinds.entry(seen.axis.kind()).or_default().push(index);
    }
    // One pseudo-axis a kind, whose choice is that of all its axes together.
    let together: Vec<Vec<Choice>> = kinds.values().map(|axes| together(axes, tables)).collect();
    let chosen = allocate(&together, spare)?;
    let mut indices = vec![0; tables.len()];
    for ((axes, table), &choice) in kinds.values().zip(&together).zip(&chosen) {
        for &axis in axes {
            indices[axis] = tables[axis].iter().position(|other| other.kept == table[choice].kept)?;
        }
    }
    Some(indices)
}

fn together(axes: &[usize], tables: &[Vec<Choice>]) -> Vec<Choice> {
    let of = |axis: usize, kept: usize| tables[axis].iter().find(|choice| choice.kept == kept);
    let sum = |first: &Choice| {
        axes.iter().try_fold(Choice { kept: first.kept, cost: 0.0, loss: 0.0 }, |sum, &axis| {
            let choice = of(axis, first.kept)?;
            Some(Choice { cost: sum.cost + choice.cost, loss: sum.loss + choice.loss, ..sum })
        })
    };
    axes.first().map(|&first| tables[first].iter().filter_map(sum).collect()).unwrap_or_default()
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
