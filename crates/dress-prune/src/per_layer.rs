//! Sharing out what goes over all axes and layers by one ranking of the scores.

use crate::costs::{Costs, Gone};
use crate::{AxisTarget, Budget, Error};
use dress_core::{Axis, AxisKind, AxisSelection, CausalLm, Scores, Selection};
use dress_engines::EngineFormat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sharing out over axes and layers: the structures are ranked together, and the least go wherever they are. At
/// least one structure of every axis stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerLayer {
    /// What should be left. The ratios of the targets do not count then, and all their kinds are ranked together
    /// (FLAP's `AL-AM`); without it each kind loses its ratio over all layers (`AL-MM`).
    pub budget: Option<Budget>,
    /// By which share of the budget what is left may be off; infinite for whatever is nearest.
    pub tolerance: f64,
    /// Whether the scores of all axes are in one unit already. Otherwise each axis's are standardized: less their
    /// mean, over their standard deviation.
    pub comparable: bool,
    /// The formats that serve what is left: a budget of bytes is of what they serve, each layer by its own sizes. They are
    /// written by their names and not read again.
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub served_by: Vec<EngineFormat>,
}

/// One structure, by what it is worth.
struct Ranked {
    score: f64,
    axis: Axis,
}

/// The axes that are ranked together.
struct Pool {
    /// Of every axis: how many structures it has, and of what the kept count is a multiple.
    axes: BTreeMap<Axis, (usize, usize)>,
    /// Every structure but the best of each axis, the least first.
    ranked: Vec<Ranked>,
}

impl PerLayer {
    /// What goes of `model`, which need not have its weights.
    pub(crate) fn select<M: CausalLm>(
        &self,
        model: &M,
        scores: &Scores,
        targets: &[AxisTarget],
    ) -> Result<Selection, Error> {
        if targets.iter().any(|target| target.kind == AxisKind::Depth) {
            return Err(Error::DepthPerLayer);
        }
        let gone = match self.budget {
            Some(budget) => self.within_budget(model, scores, targets, budget)?,
            None => self.by_ratios(model, scores, targets)?,
        };
        let mut selection = Selection::new();
        for (axis, gone) in gone {
            let scores = scores.get(axis).unwrap_or_default();
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            let removed = order.split_off(scores.len() - gone);
            selection = selection.with(axis, AxisSelection::new(scores.len(), removed)?);
        }
        Ok(selection)
    }

    /// All kinds together, as many structures as it takes.
    fn within_budget<M: CausalLm>(
        &self,
        model: &M,
        scores: &Scores,
        targets: &[AxisTarget],
        budget: Budget,
    ) -> Result<Gone, Error> {
        let pool = self.pool(model, scores, targets)?;
        let costs = Costs::as_served(model, budget.measure, &self.served_by);
        let left = |count: usize| costs.left(&pool.gone(count));
        // The first count that leaves no more than the budget, or all.
        let (mut low, mut high) = (0, pool.ranked.len());
        while low < high {
            let middle = low.midpoint(high);
            if left(middle) <= budget.left { high = middle } else { low = middle + 1 }
        }
        let off = |count: usize| (left(count) - budget.left).abs();
        let count = if low > 0 && off(low - 1) < off(low) { low - 1 } else { low };
        if off(count) > self.tolerance * budget.left {
            return Err(budget.out_of_reach(costs.whole(), Some(left(count))));
        }
        Ok(pool.gone(count))
    }

    /// Each kind by itself, its ratio of the structures of all layers.
    fn by_ratios<M: CausalLm>(
        &self,
        model: &M,
        scores: &Scores,
        targets: &[AxisTarget],
    ) -> Result<Gone, Error> {
        let mut gone = Gone::new();
        for target in targets {
            let pool = self.pool(model, scores, std::slice::from_ref(target))?;
            let all: usize = pool.axes.values().map(|(len, _)| len).sum();
            let count = (target.ratio.get() * all as f64).round() as usize;
            gone.extend(pool.gone(count.min(pool.ranked.len())));
        }
        Ok(gone)
    }

    fn pool<M: CausalLm>(&self, model: &M, scores: &Scores, targets: &[AxisTarget]) -> Result<Pool, Error> {
        let map = model.coupling();
        let (mut axes, mut ranked) = (BTreeMap::new(), Vec::new());
        for target in targets {
            for axis in map.of_kind(target.kind)? {
                let expected = map.axis(axis)?.len;
                let of_axis = crate::select::scores_of(scores, axis, expected)?;
                let mut worth = if self.comparable { of_axis.to_vec() } else { standardized(of_axis) };
                worth.sort_by(f64::total_cmp);
                worth.pop();
                ranked.extend(worth.into_iter().map(|score| Ranked { score, axis }));
                axes.insert(axis, (expected, target.tile.max(1)));
            }
        }
        ranked.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.axis.cmp(&b.axis)));
        Ok(Pool { axes, ranked })
    }
}

impl Pool {
    /// How many of each axis go where the `count` least of all do, what stays of each being a multiple of its tile.
    fn gone(&self, count: usize) -> Gone {
        let mut gone = Gone::new();
        for Ranked { axis, .. } in &self.ranked[..count] {
            *gone.entry(*axis).or_default() += 1;
        }
        for (axis, gone) in &mut gone {
            let (len, tile) = self.axes[axis];
            let tiles = ((len - *gone) as f64 / tile as f64).round().max(1.0) as usize;
            *gone = len - (tiles * tile).min(len);
        }
        gone
    }
}

/// Less the mean, over the sample's standard deviation; all alike where the scores are.
fn standardized(scores: &[f64]) -> Vec<f64> {
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
    scores.iter().map(|score| (score - mean) / deviation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardized_scores_have_mean_zero_and_deviation_one() {
        let scores = standardized(&[1.0, 2.0, 3.0, 10.0]);
        assert!(scores.iter().sum::<f64>().abs() < 1e-12);
        assert!((scores.iter().map(|score| score * score).sum::<f64>() / 3.0 - 1.0).abs() < 1e-12);
        assert_eq!(standardized(&[4.0, 4.0]), [0.0, 0.0]);
        assert_eq!(standardized(&[4.0]), [0.0]);
    }
}
