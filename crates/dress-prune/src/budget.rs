//! How much of each axis has to go for the whole to fit a budget.

use crate::costs::Costs;
use crate::gone::Gone;
use crate::{AxisTarget, Error, Measure};
use dress_core::{Axis, AxisKind, AxisSelection, CausalLm, Ratio, Selection, StockTarget};
use dress_engines::EngineFormat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How far from the budget a plan may end.
pub const TOLERANCE: f64 = 0.005;

/// Ratios that are tried.
const STEPS: usize = 400;

/// What a plan should leave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// What is counted.
    pub measure: Measure,
    /// How much of it may be left.
    pub left: f64,
}

impl Budget {
    /// A share of what `model` has now.
    pub fn share<M: CausalLm>(model: &M, measure: Measure, share: f64) -> Self {
        Self::share_as_served(model, measure, share, &[])
    }

    /// As [`Budget::share`], where these formats, if there are any, serve what is left: bytes are then those
    /// that they serve, of several formats those of the first.
    pub(crate) fn share_as_served<M: CausalLm>(
        model: &M,
        measure: Measure,
        share: f64,
        formats: &[EngineFormat],
    ) -> Self {
        Self { measure, left: share * Costs::as_served(model, measure, formats).whole() }
    }

    /// How much of the model's axes of these kinds has to go, every kind by about the same share and every
    /// layer by the same number, so that what is left is nearest to the budget. Only shapes that `stock`
    /// takes are considered.
    ///
    /// # Errors
    /// [`dress_core::Error::AxisNotInModel`], and [`Error::BudgetOutOfReach`] where no such shape is smaller
    /// than the model.
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::{AxisKind, StockTarget};
    /// use dress_prune::{Budget, Measure};
    ///
    /// let budget = Budget::share(&model, Measure::Parameters, 0.8);
    /// let fit = budget.targets(&model, &[AxisKind::Ffn], StockTarget::Dress, 1)?;
    /// assert!(fit.targets[0].ratio.get() > 0.0 && fit.off() < 0.05);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn targets<M: CausalLm>(
        self,
        model: &M,
        kinds: &[AxisKind],
        stock: StockTarget,
        tile: usize,
    ) -> Result<Fit, Error> {
        self.targets_sparing(model, kinds, stock, tile, &[])
    }

    /// As [`Budget::targets`], where the layers `spared` keep their neurons and heads.
    ///
    /// # Errors
    /// Those of [`Budget::targets`].
    pub fn targets_sparing<M: CausalLm>(
        self,
        model: &M,
        kinds: &[AxisKind],
        stock: StockTarget,
        tile: usize,
        spared: &[usize],
    ) -> Result<Fit, Error> {
        let search = Search::new(model, kinds, Shape { stock, tile, spared }, self)?;
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
        let Some((_, kept)) = best else { return Err(self.out_of_reach(search.costs.whole(), None)) };
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
        Err(self.out_of_reach(Costs::new(model, self.measure).whole(), Some(fit.left)))
    }

    /// The error where `nearest` is the nearest that can be left of `whole`.
    pub(crate) fn out_of_reach(self, whole: f64, nearest: Option<f64>) -> Error {
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

/// Tries what leaves about the budget, every kind by about the same share.
struct Search<'a, M> {
    model: &'a M,
    costs: Costs,
    budget: Budget,
    shape: Shape<'a>,
    kinds: Vec<Kind>,
}

/// What shapes may be tried.
#[derive(Clone, Copy)]
struct Shape<'a> {
    stock: StockTarget,
    tile: usize,
    /// Layers that keep their neurons and heads.
    spared: &'a [usize],
}

/// One kind of axis: its axes with their lengths, the greatest of them, and of what the kept count is a
/// multiple.
struct Kind {
    kind: AxisKind,
    axes: Vec<(Axis, usize)>,
    len: usize,
    step: usize,
}

impl<'a, M: CausalLm> Search<'a, M> {
    fn new(model: &'a M, kinds: &[AxisKind], shape: Shape<'a>, budget: Budget) -> Result<Self, Error> {
        let map = model.coupling();
        let mut found = Vec::new();
        for &kind in kinds {
            let spared = |axis: Axis| axis.layer().is_some_and(|layer| shape.spared.contains(&layer));
            let (mut axes, mut multiple) = (Vec::new(), 1);
            for axis in map.of_kind(kind)?.into_iter().filter(|&axis| !spared(axis)) {
                let slots = map.axis(axis)?;
                multiple = slots.multiple_of.of(shape.stock);
                axes.push((axis, slots.len));
            }
            let tile = if kind == AxisKind::Depth { 1 } else { shape.tile };
            let step = crate::select::least_common_multiple(multiple, tile.max(1));
            let Some(len) = axes.iter().map(|(_, len)| *len).max() else { continue };
            found.push(Kind { kind, axes, len, step });
        }
        let costs = Costs::new(model, budget.measure);
        Ok(Self { model, costs, budget, shape, kinds: found })
    }

    /// The counts that `ratio` leaves of every kind, and what they become when one kind makes up for the
    /// rest.
    fn around(&self, ratio: Ratio) -> Vec<Vec<usize>> {
        let base: Vec<usize> = self.kinds.iter().map(|kind| ratio.kept(kind.len, kind.step)).collect();
        let mut all = vec![base.clone()];
        for (index, Kind { len, step, .. }) in self.kinds.iter().enumerate() {
            let with = |count: usize| {
                let mut kept = base.clone();
                kept[index] = count;
                kept
            };
            let (at, less) = (self.left(&base), self.left(&with(base[index].saturating_sub(*step).max(1))));
            let a_step = at - less;
            if a_step <= 0.0 {
                continue;
            }
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
        self.kinds.iter().zip(kept).all(|(kind, kept)| kind.len == *kept)
    }

    /// How many structures of each axis go, of which the longest of a kind keeps that many.
    fn gone(&self, kept: &[usize]) -> Gone {
        let mut gone = Gone::new();
        for (kind, &kept) in self.kinds.iter().zip(kept).filter(|(kind, kept)| **kept < kind.len) {
            let Ok(ratio) = Ratio::new(1.0 - kept as f64 / kind.len as f64) else { continue };
            gone.extend(kind.axes.iter().map(|&(axis, len)| (axis, len - ratio.kept(len, kind.step))));
        }
        gone
    }

    fn left(&self, kept: &[usize]) -> f64 {
        self.costs.left(&self.gone(kept))
    }

    fn fits(&self, kept: &[usize]) -> Result<bool, Error> {
        let map = self.model.coupling();
        let mut selection = Selection::new();
        for (axis, gone) in self.gone(kept) {
            let len = map.axis(axis)?.len;
            selection = selection.with(axis, AxisSelection::new(len, (len - gone..len).collect())?);
        }
        Ok(self.model.check_stock(&selection, self.shape.stock).is_ok())
    }

    fn targets(&self, kept: &[usize]) -> Result<Vec<AxisTarget>, Error> {
        let targets = self.kinds.iter().zip(kept).filter(|(kind, kept)| **kept < kind.len);
        targets
            .map(|(kind, &kept)| {
                let ratio = Ratio::new(1.0 - kept as f64 / kind.len as f64)?;
                Ok(AxisTarget::new(kind.kind, ratio, self.shape.tile))
            })
            .collect()
    }
}
