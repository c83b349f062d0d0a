//! Rounds of measuring around a shape and going on to a better one.

use super::allocate::{Choice, allocate};
use super::sensitivity::{Measuring, Sizes};
use super::{FoundShape, Search, SearchReport, SearchRound, Sensitivity};
use crate::costs::{Costs, Gone};
use crate::site_moments::embedded;
use crate::{Compensation, Error, compensate};
use dress_core::{Axis, AxisKind, AxisSelection, Calibration, CausalLm, Progress, Scores, Selection};
use std::collections::BTreeMap;

/// By which share of an axis a round may go above and below the reference, the first more than the ones after it.
const REACH: [f64; 3] = [0.25, 0.15, 0.1];

/// A search of one model.
pub(super) struct Rounds<'a, M> {
    pub search: &'a Search,
    pub model: &'a M,
    pub axes: &'a [Axis],
    pub fitted: &'a Calibration,
    pub held_back: &'a Calibration,
}

/// What stays of each axis.
type Kept = BTreeMap<Axis, usize>;

/// A shape, what goes for it, and the model of it: whole in its matrices, with what goes at zero and the rest refitted.
struct Shape<M> {
    kept: Kept,
    selection: Selection,
    model: M,
    loss: f64,
}

impl<M: CausalLm> Rounds<'_, M> {
    pub fn run(&self, progress: &dyn Progress) -> Result<FoundShape, Error> {
        let (dense_loss, orders) = self.measure(self.model, &self.sizes_of_orders()?, false, progress)?;
        let mut orders: BTreeMap<Axis, Sensitivity> = by_axis(orders);
        let mut shape = self.shape(self.even()?, &orders, progress)?;
        let mut report = SearchReport { search: *self.search, dense_loss, rounds: Vec::new(), best: 0 };
        let (mut best, mut scores) = (shape.selection.clone(), scores_of(&orders)?);
        let mut predicted = None;
        for round in 0..=self.search.rounds {
            let last = round == self.search.rounds;
            let mut entry = SearchRound {
                kept: shape.kept.clone(),
                loss: shape.loss,
                predicted,
                sensitivities: Vec::new(),
            };
            if report.rounds.is_empty() || shape.loss < report.found().loss {
                (best, scores, report.best) =
                    (shape.selection.clone(), scores_of(&orders)?, report.rounds.len());
            }
            tracing::info!("search: a shape with a loss of {:.3} (dense {dense_loss:.3})", shape.loss);
            if last {
                report.rounds.push(entry);
                break;
            }
            let sizes = self.sizes_around(&shape.kept, REACH[round.min(REACH.len() - 1)])?;
            let (_, around) = self.measure(&shape.model, &sizes, true, progress)?;
            entry.sensitivities.clone_from(&around);
            report.rounds.push(entry);
            let (kept, added) = self.better(&around)?;
            predicted = Some(shape.loss + added);
            if kept == shape.kept {
                break;
            }
            orders = by_axis(around);
            shape = self.shape(kept, &orders, progress)?;
        }
        self.model.check_stock(&best, self.search.stock)?;
        Ok(FoundShape { selection: best, scores, report })
    }

    fn measure(
        &self,
        reference: &M,
        sizes: &Sizes,
        losses: bool,
        progress: &dyn Progress,
    ) -> Result<(f64, Vec<Sensitivity>), Error> {
        let (fitted, held_back) = (self.fitted, self.held_back);
        Measuring { dense: self.model, reference, fitted, held_back, sizes, losses }.run(progress)
    }

    /// The model of a shape, of whose axes the first of each order go.
    fn shape(
        &self,
        kept: Kept,
        orders: &BTreeMap<Axis, Sensitivity>,
        progress: &dyn Progress,
    ) -> Result<Shape<M>, Error> {
        let mut selection = Selection::new();
        for (axis, kept) in &kept {
            let seen = &orders[axis];
            let mut gone = seen.order[..seen.structures - kept].to_vec();
            gone.sort_unstable();
            if !gone.is_empty() {
                selection = selection.with(*axis, AxisSelection::new(seen.structures, gone)?);
            }
        }
        let (model, _) =
            compensate(self.model.clone(), &selection, self.fitted, Compensation::Ridge, progress)?;
        let sizes = Sizes::new();
        let (dense, fitted, held_back) = (self.model, self.fitted, self.held_back);
        let measuring =
            Measuring { dense, reference: &model, fitted, held_back, sizes: &sizes, losses: false };
        let loss = measuring.loss_from(&model, 0, &embedded(&model, self.held_back));
        Ok(Shape { kept, selection, model, loss })
    }

    /// Of what a kept count of each axis has to be a multiple.
    fn step(&self, axis: Axis) -> Result<usize, Error> {
        let step = self.model.coupling().axis(axis)?.multiple_of.of(self.search.stock);
        let tile = if axis.kind() == AxisKind::Ffn { self.search.tile.max(1) } else { 1 };
        Ok(crate::select::least_common_multiple(step, tile))
    }

    fn len(&self, axis: Axis) -> Result<usize, Error> {
        Ok(self.model.coupling().axis(axis)?.len)
    }

    /// So many gone that orders reach as far as any shape may.
    fn sizes_of_orders(&self) -> Result<Sizes, Error> {
        self.axes.iter().map(|&axis| Ok((axis, vec![self.len(axis)?.saturating_sub(1)]))).collect()
    }

    /// The greatest shape within the budget that keeps about the same share of every layer's neurons and all heads, or where
    /// neurons alone do not reach it, fewer heads too.
    fn even(&self) -> Result<Kept, Error> {
        let costs = Costs::new(self.model, self.search.budget.measure);
        let of = |share: f64, heads: f64| -> Result<Kept, Error> {
            let kept = |&axis: &Axis| {
                let (len, step) = (self.len(axis)?, self.step(axis)?);
                let share = if axis.kind() == AxisKind::Heads { heads } else { share };
                let kept = (share * len as f64 / step as f64).floor() as usize * step;
                Ok((axis, if share >= 1.0 { len } else { kept.clamp(step.min(len), len) }))
            };
            self.axes.iter().map(kept).collect()
        };
        let left = |kept: &Kept| -> Result<f64, Error> {
            let gone = |(&axis, kept): (&Axis, &usize)| Ok((axis, self.len(axis)? - kept));
            Ok(costs.left(&kept.iter().map(gone).collect::<Result<Gone, Error>>()?))
        };
        for tenth in (0..=10).rev() {
            let heads = 0.5 + 0.05 * f64::from(tenth);
            for percent in (10..=1000).rev() {
                let kept = of(f64::from(percent) / 1000.0, heads)?;
                if left(&kept)? <= self.search.budget.left {
                    // Less than half of every layer's neurons is worse than fewer heads.
                    if percent >= 400 || tenth == 0 {
                        return Ok(kept);
                    }
                    break;
                }
            }
        }
        Err(self.search.budget.out_of_reach(self.model, None))
    }

    /// Sizes around a shape at which every axis is measured: its own, and about `reach` of the axis above and below.
    fn sizes_around(&self, kept: &Kept, reach: f64) -> Result<Sizes, Error> {
        let of = |(&axis, &kept): (&Axis, &usize)| {
            let (len, step) = (self.len(axis)?, self.step(axis)?);
            let by = ((reach * len as f64 / step as f64).round() as usize).max(1) * step;
            let least = kept.saturating_sub(by).max(step.min(kept));
            let mut removed = vec![len - (kept + by).min(len), len - kept, len - least];
            removed.dedup();
            Ok((axis, removed))
        };
        kept.iter().map(of).collect()
    }

    /// The sizes within what was measured that are within the budget at the least loss, and that loss less the reference's.
    fn better(&self, around: &[Sensitivity]) -> Result<(Kept, f64), Error> {
        let costs = Costs::new(self.model, self.search.budget.measure);
        let whole = costs.left(&Gone::new());
        let tables: Vec<Vec<Choice>> =
            around.iter().map(|seen| self.choices(seen, &costs, whole)).collect::<Result<_, Error>>()?;
        let spare = self.search.budget.left - whole;
        let chosen = match self.search.per_layer {
            true => allocate(&tables, spare),
            false => together(around, &tables, spare),
        };
        let chosen = chosen.ok_or_else(|| self.search.budget.out_of_reach(self.model, None))?;
        let picked = || tables.iter().zip(&chosen).map(|(table, &index)| table[index]);
        let kept = around.iter().zip(picked()).map(|(seen, choice)| (seen.axis, choice.kept)).collect();
        Ok((kept, picked().map(|choice| choice.loss).sum()))
    }

    /// What one axis could keep, the most first.
    fn choices(&self, seen: &Sensitivity, costs: &Costs, whole: f64) -> Result<Vec<Choice>, Error> {
        let (step, (least, most)) = (self.step(seen.axis)?, seen.range());
        let allowed = |removed: &usize| {
            let kept = seen.structures - removed;
            kept > 0 && (kept.is_multiple_of(step) || kept == seen.structures)
        };
        let choice = |removed| {
            let cost = costs.left(&Gone::from([(seen.axis, removed)])) - whole;
            Choice { kept: seen.structures - removed, cost, loss: seen.loss(removed) }
        };
        Ok((least..=most).filter(allowed).map(choice).collect())
    }
}

fn by_axis(seen: Vec<Sensitivity>) -> BTreeMap<Axis, Sensitivity> {
    seen.into_iter().map(|seen| (seen.axis, seen)).collect()
}

/// When each structure of every axis went; those that never did are worth most.
fn scores_of(orders: &BTreeMap<Axis, Sensitivity>) -> Result<Scores, Error> {
    let mut all = Scores::new();
    for (axis, seen) in orders {
        let mut scores = vec![seen.order.len() as f64; seen.structures];
        seen.order.iter().enumerate().for_each(|(place, &structure)| scores[structure] = place as f64);
        all.insert(*axis, scores)?;
    }
    Ok(all)
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
