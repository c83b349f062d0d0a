//! Shapes that meet a budget: even ones, and those that sensitivities ask for.

use super::allocate::{Choice, allocate};
use super::{Search, Sensitivity};
use crate::costs::Costs;
use crate::gone::Gone;
use crate::{Budget, Error, Protected};
use dress_core::{Axis, AxisKind, AxisSelection, CausalLm, CouplingMap, Selection};
use std::collections::BTreeMap;

/// How often the least expected loss is looked for with less to spare, where engines weigh a shape
/// differently.
const TRIALS: usize = 32;

/// What stays of each axis.
pub(super) type Kept = BTreeMap<Axis, usize>;

/// The shapes of one model within one budget.
pub(super) struct Shapes<'a> {
    search: &'a Search,
    budget: Budget,
    axes: &'a [Axis],
    protected: &'a Protected,
    map: CouplingMap,
    costs: Costs,
}

impl<'a> Shapes<'a> {
    pub fn new<M: CausalLm>(
        search: &'a Search,
        budget: Budget,
        model: &M,
        axes: &'a [Axis],
        protected: &'a Protected,
    ) -> Self {
        let costs = Costs::as_served(model, budget.measure, &search.served_by);
        Self { search, budget, axes, protected, map: model.coupling(), costs }
    }

    /// The fewest structures of an axis that stay: those that are protected, and one step.
    fn fewest(&self, axis: Axis) -> Result<usize, Error> {
        let (len, step) = (self.len(axis)?, self.step(axis)?);
        let protected = self.protected.of(axis, len).len();
        Ok(protected.max(1).next_multiple_of(step).min(len))
    }

    /// Of what a kept count of an axis has to be a multiple.
    fn step(&self, axis: Axis) -> Result<usize, Error> {
        let step = self.map.axis(axis)?.multiple_of.of(self.search.stock);
        let tile = if axis.kind() == AxisKind::Ffn { self.search.tile.max(1) } else { 1 };
        Ok(crate::select::least_common_multiple(step, tile))
    }

    fn len(&self, axis: Axis) -> Result<usize, Error> {
        Ok(self.map.axis(axis)?.len)
    }

    fn left(&self, kept: &Kept) -> Result<f64, Error> {
        let gone = |(&axis, kept): (&Axis, &usize)| Ok((axis, self.len(axis)? - kept));
        Ok(self.costs.left(&kept.iter().map(gone).collect::<Result<Gone, Error>>()?))
    }

    fn out_of_reach(&self) -> Error {
        self.budget.out_of_reach(self.costs.whole(), None)
    }

    /// The greatest shape within the budget that keeps about the same share of every layer's neurons and all
    /// heads, or where neurons alone do not reach it, fewer heads too.
    pub fn even(&self) -> Result<Kept, Error> {
        let of = |share: f64, heads: f64| -> Result<Kept, Error> {
            let kept = |&axis: &Axis| {
                let (len, step) = (self.len(axis)?, self.step(axis)?);
                let share = if axis.kind() == AxisKind::Heads { heads } else { share };
                let kept = (share * len as f64 / step as f64).floor() as usize * step;
                Ok((axis, if share >= 1.0 { len } else { kept.clamp(self.fewest(axis)?, len) }))
            };
            self.axes.iter().map(kept).collect()
        };
        for tenth in (0..=10).rev() {
            let heads = 0.5 + 0.05 * f64::from(tenth);
            for percent in (10..=1000).rev() {
                let kept = of(f64::from(percent) / 1000.0, heads)?;
                if self.left(&kept)? <= self.budget.left {
                    // Less than two fifths of every layer's neurons is worse than fewer heads.
                    if percent >= 400 || tenth == 0 {
                        return Ok(kept);
                    }
                    break;
                }
            }
        }
        Err(self.out_of_reach())
    }

    /// The shape within the budget of which the sensitivities expect the least loss; of kinds in `whole`
    /// nothing goes.
    pub fn least(&self, sensitivities: &[Sensitivity], whole: &[AxisKind]) -> Result<Kept, Error> {
        let table = |seen: &Sensitivity| -> Result<Vec<Choice>, Error> {
            let (len, step) = (seen.structures(), self.step(seen.axis)?);
            let (stays, fewest) = (whole.contains(&seen.axis.kind()), self.fewest(seen.axis)?);
            let allowed =
                |kept: &usize| *kept == len || (!stays && *kept >= fewest && kept.is_multiple_of(step));
            let choice = |kept| {
                let cost = -self.costs.saved(seen.axis, len - kept);
                Choice { kept, cost, loss: seen.expected[len - kept] }
            };
            Ok((1..=len).rev().filter(allowed).map(choice).collect())
        };
        let tables = sensitivities.iter().map(table).collect::<Result<Vec<_>, Error>>()?;
        let mut spare = self.budget.left - self.costs.whole();
        for _ in 0..TRIALS {
            let chosen = match self.search.per_layer {
                true => allocate(&tables, spare),
                false => together(sensitivities, &tables, spare),
            };
            let chosen = chosen.ok_or_else(|| self.out_of_reach())?;
            let picked = tables.iter().zip(&chosen).map(|(table, &index)| table[index].kept);
            let kept: Kept = sensitivities.iter().map(|seen| seen.axis).zip(picked).collect();
            let over = self.left(&kept)? - self.budget.left;
            if over <= 1e-9 * self.budget.left {
                return Ok(kept);
            }
            // Choices cost what they do in the mean of several engines, and the budget is of the one that serves most.
            spare -= over;
        }
        Err(self.out_of_reach())
    }

    /// Half way between two shapes.
    pub fn between(&self, one: &Kept, other: &Kept) -> Result<Kept, Error> {
        let of = |(&axis, kept): (&Axis, &usize)| {
            let (step, len) = (self.step(axis)?, self.len(axis)?);
            let (least, most) = ((*kept).min(other[&axis]), (*kept).max(other[&axis]));
            let mean = (least + most) / 2;
            let whole = if mean == len { len } else { mean / step * step };
            Ok((axis, whole.max(step.min(least))))
        };
        one.iter().map(of).collect()
    }

    /// Whether of a kind of axes nothing goes.
    pub fn is_whole(&self, kept: &Kept, kind: AxisKind) -> Result<bool, Error> {
        let gone = |(&axis, &kept): (&Axis, &usize)| Ok(axis.kind() == kind && kept < self.len(axis)?);
        let gone = kept.iter().map(gone).collect::<Result<Vec<bool>, Error>>()?;
        Ok(!gone.contains(&true))
    }

    /// The share that a shape leaves of what the budget counts.
    pub fn share(&self, kept: &Kept) -> Result<f64, Error> {
        Ok(self.left(kept)? / self.costs.whole())
    }

    /// The share of what the budget counts that may be left.
    pub fn share_asked_for(&self) -> f64 {
        self.budget.left / self.costs.whole()
    }

    /// Of what kept counts have to be multiples, by kind.
    pub fn steps(&self) -> Result<BTreeMap<AxisKind, usize>, Error> {
        self.axes.iter().map(|&axis| Ok((axis.kind(), self.step(axis)?))).collect()
    }

    /// Whether a shape is within the budget.
    pub fn fits(&self, kept: &Kept) -> Result<bool, Error> {
        Ok(self.left(kept)? <= self.budget.left)
    }
}

/// What goes for a shape, of every axis the first in its order.
pub(super) fn selection(kept: &Kept, sensitivities: &[Sensitivity]) -> Result<Selection, Error> {
    let mut selection = Selection::new();
    for seen in sensitivities {
        let mut gone = seen.order[..seen.structures() - kept[&seen.axis]].to_vec();
        gone.sort_unstable();
        if !gone.is_empty() {
            selection = selection.with(seen.axis, AxisSelection::new(seen.structures(), gone)?);
        }
    }
    Ok(selection)
}

/// What the sensitivities say that a shape loses.
pub(super) fn expected(kept: &Kept, sensitivities: &[Sensitivity]) -> f64 {
    sensitivities.iter().map(|seen| seen.expected[seen.structures() - kept[&seen.axis]]).sum()
}

/// The best choice of which all axes of a kind keep the same.
fn together(seen: &[Sensitivity], tables: &[Vec<Choice>], spare: f64) -> Option<Vec<usize>> {
    let mut kinds: BTreeMap<AxisKind, Vec<usize>> = BTreeMap::new();
    for (index, seen) in seen.iter().enumerate() {
        kinds.entry(seen.axis.kind()).or_default().push(index);
    }
    let of_kind: Vec<Vec<Choice>> = kinds.values().map(|axes| summed(axes, tables)).collect();
    let chosen = allocate(&of_kind, spare)?;
    let mut indices = vec![0; tables.len()];
    for ((axes, table), &choice) in kinds.values().zip(&of_kind).zip(&chosen) {
        for &axis in axes {
            indices[axis] = tables[axis].iter().position(|other| other.kept == table[choice].kept)?;
        }
    }
    Some(indices)
}

/// The choices that all of these axes have, each with what it costs and adds in all of them.
fn summed(axes: &[usize], tables: &[Vec<Choice>]) -> Vec<Choice> {
    let sum = |first: &Choice| {
        axes.iter().try_fold(Choice { kept: first.kept, cost: 0.0, loss: 0.0 }, |sum, &axis| {
            let choice = tables[axis].iter().find(|choice| choice.kept == first.kept)?;
            Some(Choice { cost: sum.cost + choice.cost, loss: sum.loss + choice.loss, ..sum })
        })
    };
    axes.first().map(|&first| tables[first].iter().filter_map(sum).collect()).unwrap_or_default()
}
