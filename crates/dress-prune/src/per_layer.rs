//! Sharing out what goes over all axes and layers by one ranking of the scores.

use crate::another_share::{as_multiples_allow, warn_of_another_share};
use crate::costs::Costs;
use crate::gone::Gone;
use crate::{AxisTarget, Budget, Error, Protected};
use dress_core::{Axis, AxisKind, AxisSelection, CausalLm, Scores, Selection};
use dress_engines::EngineFormat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sharing out over axes and layers: the structures are ranked together, and the least go wherever they are.
/// At least one structure of every axis stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerLayer {
    /// What should be left. The ratios of the targets do not count then, and all their kinds are ranked
    /// together (FLAP's `AL-AM`); without it each kind loses its ratio over all layers (`AL-MM`).
    pub budget: Option<Budget>,
    /// By which share of the budget what is left may be off; infinite for whatever is nearest.
    pub tolerance: f64,
    /// Whether the scores of all axes are in one unit already. Otherwise each axis's are standardized: less
    /// their mean, over their standard deviation.
    pub comparable: bool,
    /// The formats that serve what is left: a budget of bytes is of what they serve, each layer by its own
    /// sizes. They are written by their names and not read again.
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
    axes: BTreeMap<Axis, PoolAxis>,
    /// Every structure but the best of each axis and those that are protected, the least first.
    ranked: Vec<Ranked>,
}

/// An axis of those that are ranked together.
struct PoolAxis {
    len: usize,
    /// Of what the kept count is a multiple.
    tile: usize,
    /// How many are protected.
    protected: usize,
}

/// What is ranked: scores of the targets' kinds, without what is protected.
struct Ranking<'a> {
    scores: &'a Scores,
    targets: &'a [AxisTarget],
    protected: &'a Protected,
}

impl Ranking<'_> {
    /// Of what kept counts are multiples, by kind.
    fn steps(&self) -> BTreeMap<AxisKind, usize> {
        self.targets.iter().map(|target| (target.kind, target.tile.max(1))).collect()
    }
}

impl PerLayer {
    /// What goes of `model`, which need not have its weights.
    pub(crate) fn select<M: CausalLm>(
        &self,
        model: &M,
        scores: &Scores,
        targets: &[AxisTarget],
        protected: &Protected,
    ) -> Result<Selection, Error> {
        if targets.iter().any(|target| target.kind == AxisKind::Depth) {
            return Err(Error::DepthPerLayer);
        }
        let ranking = Ranking { scores, targets, protected };
        let gone = match self.budget {
            Some(budget) => self.within_budget(model, &ranking, budget)?,
            None => self.by_ratios(model, &ranking)?,
        };
        let mut selection = Selection::new();
        for (axis, gone) in gone {
            let scores = scores.get(axis).unwrap_or_default();
            let stays = protected.of(axis, scores.len());
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| {
                let [first, second] = [a, b].map(|index| stays.binary_search(&index).is_ok());
                second.cmp(&first).then(scores[b].total_cmp(&scores[a])).then(a.cmp(&b))
            });
            let removed = order.split_off(scores.len() - gone);
            selection = selection.with(axis, AxisSelection::new(scores.len(), removed)?);
        }
        Ok(selection)
    }

    /// All kinds together, as many structures as it takes.
    fn within_budget<M: CausalLm>(
        &self,
        model: &M,
        ranking: &Ranking<'_>,
        budget: Budget,
    ) -> Result<Gone, Error> {
        let pool = self.pool(model, ranking)?;
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
        let shares = [budget.left, left(count)].map(|counted| counted / costs.whole());
        warn_of_another_share(budget.measure.counted(), shares, || {
            as_multiples_allow(&ranking.steps(), &self.served_by, "no shape by these scores is nearer")
        });
        Ok(pool.gone(count))
    }

    /// Each kind by itself, its ratio of the structures of all layers.
    fn by_ratios<M: CausalLm>(&self, model: &M, ranking: &Ranking<'_>) -> Result<Gone, Error> {
        let mut gone = Gone::new();
        for target in ranking.targets {
            let ranking = Ranking { targets: std::slice::from_ref(target), ..*ranking };
            let pool = self.pool(model, &ranking)?;
            let all = pool.all();
            let count = (target.ratio.get() * all as f64).round() as usize;
            let of_kind = pool.gone(count.min(pool.ranked.len()));
            let left = (all - of_kind.values().sum::<usize>()) as f64 / all.max(1) as f64;
            let counted = format!("{} in all layers", target.kind);
            warn_of_another_share(&counted, [1.0 - target.ratio.get(), left], || {
                as_multiples_allow(&ranking.steps(), &self.served_by, pool.why_not(count))
            });
            gone.extend(of_kind);
        }
        Ok(gone)
    }

    fn pool<M: CausalLm>(&self, model: &M, ranking: &Ranking<'_>) -> Result<Pool, Error> {
        let map = model.coupling();
        let (mut axes, mut ranked) = (BTreeMap::new(), Vec::new());
        for target in ranking.targets {
            for axis in map.of_kind(target.kind)? {
                let len = map.axis(axis)?.len;
                let of_axis = crate::select::scores_of(ranking.scores, axis, len)?;
                let worth = if self.comparable { of_axis.to_vec() } else { standardized(of_axis) };
                let stays = ranking.protected.of(axis, len);
                let may_go = |(index, _): &(usize, f64)| stays.binary_search(index).is_err();
                let mut worth: Vec<f64> =
                    worth.into_iter().enumerate().filter(may_go).map(|(_, score)| score).collect();
                worth.sort_by(f64::total_cmp);
                if stays.is_empty() {
                    worth.pop();
                }
                ranked.extend(worth.into_iter().map(|score| Ranked { score, axis }));
                let (tile, protected) = (target.tile.max(1), stays.len());
                axes.insert(axis, PoolAxis { len, tile, protected });
            }
        }
        ranked.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.axis.cmp(&b.axis)));
        Ok(Pool { axes, ranked })
    }
}

impl Pool {
    /// How many structures there are.
    fn all(&self) -> usize {
        self.axes.values().map(|axis| axis.len).sum()
    }

    /// Why it may be that not so many go.
    fn why_not(&self, count: usize) -> &'static str {
        // One of every axis stays in any case.
        let may_go_without_protection = self.all().saturating_sub(self.axes.len());
        match self.ranked.len() < count.min(may_go_without_protection) {
            true => "what is protected stays",
            false => "every layer is rounded by itself",
        }
    }

    /// How many of each axis go where the `count` least of all do, what stays of each being a multiple of its
    /// tile.
    fn gone(&self, count: usize) -> Gone {
        let mut gone = Gone::new();
        for Ranked { axis, .. } in &self.ranked[..count] {
            *gone.entry(*axis).or_default() += 1;
        }
        for (axis, gone) in &mut gone {
            let &PoolAxis { len, tile, protected } = &self.axes[axis];
            let tiles = ((len - *gone) as f64 / tile as f64).round().max(1.0) as usize;
            *gone = len - (tiles.max(protected.div_ceil(tile)) * tile).min(len);
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
    fn where_more_is_protected_than_the_ratio_leaves_that_is_the_reason() {
        let pool = |protected: usize| {
            let axes = [0, 1].map(|layer| (Axis::Ffn { layer }, PoolAxis { len: 8, tile: 1, protected }));
            let may_go = 8 - protected.max(1);
            let of = |(axis, _): &(Axis, PoolAxis)| vec![*axis; may_go];
            let ranked = axes.iter().flat_map(of).map(|axis| Ranked { score: 1.0, axis }).collect();
            Pool { axes: axes.into_iter().collect(), ranked }
        };
        let (protected, rounded) = ("what is protected stays", "every layer is rounded by itself");
        assert_eq!([4, 8, 12, 16].map(|count| pool(0).why_not(count)), [rounded; 4]);
        assert_eq!(
            [4, 8, 9, 16].map(|count| pool(4).why_not(count)),
            [rounded, rounded, protected, protected]
        );
        assert_eq!(pool(1).why_not(16), rounded, "as many stay of an axis of which nothing is protected");
    }

    #[test]
    fn standardized_scores_have_mean_zero_and_deviation_one() {
        let scores = standardized(&[1.0, 2.0, 3.0, 10.0]);
        assert!(scores.iter().sum::<f64>().abs() < 1e-12);
        assert!((scores.iter().map(|score| score * score).sum::<f64>() / 3.0 - 1.0).abs() < 1e-12);
        assert_eq!(standardized(&[4.0, 4.0]), [0.0, 0.0]);
        assert_eq!(standardized(&[4.0]), [0.0]);
    }
}
