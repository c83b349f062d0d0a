//! How much of each axis has to go for the whole to fit a budget.

use crate::{AxisTarget, Error};
use dress_core::parameters::{self, ParameterInfo};
use dress_core::{Axis, AxisKind, AxisSelection, CausalLm, Ratio, Role, Selection, StockTarget};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How far from the budget a plan may end.
pub const TOLERANCE: f64 = 0.005;

/// Ratios that are tried.
const STEPS: usize = 400;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Parameters, a tied head once.
    Parameters,
    /// Bytes of the weights in the type they are in.
    Bytes,
    /// Multiplications a token makes with weights: every matrix but those that are only looked up in, a tied
    /// head included. What attention multiplies depends on the text's length and is left out.
    Macs,
}

/// What a plan should leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// What is counted.
    pub measure: Measure,
    /// How much of it may be left.
    pub left: f64,
}

impl Budget {
    /// A share of what `model` has now.
    pub fn share<M: CausalLm>(model: &M, measure: Measure, share: f64) -> Self {
        Self { measure, left: share * Costs::new(model, measure).left(&BTreeMap::new()) }
    }

    /// How much of the model's axes of these kinds has to go, every kind by about the same share and every block by
    /// the same number, so that what is left is nearest to the budget. Only shapes that `stock` takes are
    /// considered.
    ///
    /// # Errors
    /// [`dress_core::Error::AxisNotInModel`], and [`Error::BudgetOutOfReach`] where no such shape is smaller than
    /// the model.
    pub fn targets<M: CausalLm>(
        self,
        model: &M,
        kinds: &[AxisKind],
        stock: StockTarget,
        tile: usize,
    ) -> Result<Fit, Error> {
        let search = Search::new(model, kinds, stock, tile, self)?;
        let mut best: Option<(f64, Vec<usize>)> = None;
        let mut seen = BTreeSet::new();
        for step in 1..STEPS {
            let ratio = Ratio::new(step as f64 / STEPS as f64)?;
            for kept in search.around(ratio) {
                if !seen.insert(kept.clone()) || search.is_whole(&kept) {
                    continue;
                }
                let off = (search.left(&kept) - self.left).abs();
                if best.as_ref().is_none_or(|(least, _)| off < *least) && search.fits(&kept)? {
                    best = Some((off, kept));
                }
            }
        }
        let Some((_, kept)) = best else { return Err(self.out_of_reach(&search, None)) };
        let left = search.left(&kept);
        Ok(Fit { targets: search.targets(&kept)?, left, budget: self.left })
    }

    /// As [`Budget::targets`], an error where the nearest shape is off by more than [`TOLERANCE`].
    ///
    /// # Errors
    /// Those of [`Budget::targets`].
    pub fn targets_within<M: CausalLm>(
        self,
        model: &M,
        kinds: &[AxisKind],
        stock: StockTarget,
        tile: usize,
    ) -> Result<Fit, Error> {
        let fit = self.targets(model, kinds, stock, tile)?;
        if fit.off() <= TOLERANCE {
            return Ok(fit);
        }
        Err(self.out_of_reach(&Search::new(model, kinds, stock, tile, self)?, Some(fit.left)))
    }

    fn out_of_reach<M: CausalLm>(self, search: &Search<'_, M>, nearest: Option<f64>) -> Error {
        let whole = search.whole;
        Error::BudgetOutOfReach { share: self.left / whole, nearest: nearest.map(|left| left / whole) }
    }
}

/// What fits a budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// How much of which axes goes.
    pub targets: Vec<AxisTarget>,
    /// What is left.
    pub left: f64,
    /// What should be.
    pub budget: f64,
}

impl Fit {
    /// By which share of the budget what is left is more or less.
    pub fn off(&self) -> f64 {
        (self.left / self.budget - 1.0).abs()
    }
}

/// What of a model counts.
struct Costs {
    parameters: Vec<Counted>,
    /// How many blocks there are.
    blocks: usize,
}

/// One parameter: what an element counts, and its dimensions.
struct Counted {
    element: f64,
    in_block: bool,
    dims: Vec<Dim>,
}

/// A dimension, and the kind of axis it lies on with the indices a structure of it owns.
struct Dim {
    len: usize,
    on: Option<(AxisKind, usize)>,
}

impl Costs {
    fn new<M: CausalLm>(model: &M, measure: Measure) -> Self {
        let map = model.coupling();
        let mut places: BTreeMap<(&str, usize), (AxisKind, usize)> = BTreeMap::new();
        let mut looked_up = BTreeSet::new();
        for (axis, slots) in map.iter() {
            for slot in &slots.slots {
                places.insert((&slot.parameter, slot.dim), (axis.kind(), slot.block));
                if slot.role == Role::Writes && slot.dim == 1 && !slot.tied {
                    looked_up.insert(slot.parameter.as_str());
                }
            }
        }
        let element = |info: &ParameterInfo| match measure {
            Measure::Parameters => 1.0,
            Measure::Bytes => info.dtype.size() as f64,
            Measure::Macs if info.shape.len() < 2 || looked_up.contains(info.name.as_str()) => 0.0,
            Measure::Macs => 1.0,
        };
        let counted = |info: ParameterInfo| Counted {
            element: element(&info),
            in_block: parameters::block_of(&info.name).is_some(),
            dims: (info.shape.iter().enumerate())
                .map(|(dim, &len)| Dim { len, on: places.get(&(info.name.as_str(), dim)).copied() })
                .collect(),
        };
        let parameters = parameters::list(model).into_iter().map(counted).collect();
        Self { parameters, blocks: model.num_blocks() }
    }

    /// What is left where `removed` structures of every axis of a kind are gone.
    fn left(&self, removed: &BTreeMap<AxisKind, usize>) -> f64 {
        let gone = |kind| removed.get(&kind).copied().unwrap_or(0);
        let blocks = (self.blocks - gone(AxisKind::Depth)) as f64 / self.blocks as f64;
        let of = |parameter: &Counted| {
            let lengths = parameter
                .dims
                .iter()
                .map(|dim| dim.len - dim.on.map_or(0, |(kind, block)| gone(kind) * block));
            let elements = lengths.product::<usize>() as f64 * parameter.element;
            if parameter.in_block { elements * blocks } else { elements }
        };
        self.parameters.iter().map(of).sum()
    }
}

struct Search<'a, M> {
    model: &'a M,
    costs: Costs,
    whole: f64,
    budget: Budget,
    stock: StockTarget,
    tile: usize,
    /// Of every kind: its axes, how many structures each has, and of what the kept count is a multiple.
    kinds: Vec<(AxisKind, Vec<Axis>, usize, usize)>,
}

impl<'a, M: CausalLm> Search<'a, M> {
    fn new(
        model: &'a M,
        kinds: &[AxisKind],
        stock: StockTarget,
        tile: usize,
        budget: Budget,
    ) -> Result<Self, Error> {
        let map = model.coupling();
        let mut found = Vec::new();
        for &kind in kinds {
            let axes = map.of_kind(kind)?;
            let first = map.axis(axes[0])?;
            let tile = if kind == AxisKind::Depth { 1 } else { tile };
            let step = crate::select::least_common_multiple(first.multiple_of.of(stock), tile.max(1));
            found.push((kind, axes, first.len, step));
        }
        let costs = Costs::new(model, budget.measure);
        let whole = costs.left(&BTreeMap::new());
        Ok(Self { model, costs, whole, budget, stock, tile, kinds: found })
    }

    /// The counts that `ratio` leaves of every kind, and what they become when one kind makes up for the rest.
    fn around(&self, ratio: Ratio) -> Vec<Vec<usize>> {
        let base: Vec<usize> = self.kinds.iter().map(|(_, _, len, step)| ratio.kept(*len, *step)).collect();
        let mut all = vec![base.clone()];
        for (index, (_, _, len, step)) in self.kinds.iter().enumerate() {
            let with = |count: usize| {
                let mut kept = base.clone();
                kept[index] = count;
                kept
            };
            let (at, less) = (self.left(&base), self.left(&with(base[index].saturating_sub(*step).max(1))));
            let a_step = (at - less).max(1.0);
            let steps = ((self.budget.left - at) / a_step).round() as i64;
            let count = base[index] as i64 + steps * *step as i64;
            let near = (len / 50).max(*step) as i64 * 3;
            // Every kind stays near the common ratio.
            if (count - base[index] as i64).abs() <= near && count >= *step as i64 && count <= *len as i64 {
                all.push(with(count as usize));
            }
        }
        all
    }

    fn is_whole(&self, kept: &[usize]) -> bool {
        self.kinds.iter().zip(kept).all(|((_, _, len, _), kept)| kept == len)
    }

    /// A selection of that many structures, whichever.
    fn selection(&self, kept: &[usize]) -> Result<Selection, Error> {
        let mut selection = Selection::new();
        for ((_, axes, len, _), &kept) in self.kinds.iter().zip(kept) {
            for &axis in axes {
                selection = selection.with(axis, AxisSelection::new(*len, (kept..*len).collect())?);
            }
        }
        Ok(selection)
    }

    fn left(&self, kept: &[usize]) -> f64 {
        let removed = self.kinds.iter().zip(kept).map(|((kind, _, len, _), kept)| (*kind, len - kept));
        self.costs.left(&removed.collect())
    }

    fn fits(&self, kept: &[usize]) -> Result<bool, Error> {
        Ok(self.model.check_stock(&self.selection(kept)?, self.stock).is_ok())
    }

    fn targets(&self, kept: &[usize]) -> Result<Vec<AxisTarget>, Error> {
        let lengths: BTreeMap<AxisKind, usize> =
            self.kinds.iter().map(|(kind, _, len, _)| (*kind, *len)).collect();
        let targets = self.kinds.iter().zip(kept).filter(|((_, _, len, _), kept)| *kept < len);
        targets
            .map(|((kind, ..), &kept)| {
                let ratio = Ratio::new(1.0 - kept as f64 / lengths[kind] as f64)?;
                Ok(AxisTarget {
                    kind: *kind,
                    ratio,
                    tile: if *kind == AxisKind::Depth { 1 } else { self.tile },
                })
            })
            .collect()
    }
}
