//! From scores to a selection.

use crate::Error;
use dress_core::{
    Axis, AxisKind, AxisSelection, AxisSlots, CouplingMap, Ratio, Scores, Selection, StockTarget,
};
use serde::{Deserialize, Serialize};

/// How much of one kind of axis goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AxisTarget {
    /// The kind; of FFN and heads, every block loses the same number.
    pub kind: AxisKind,
    /// The share that goes.
    pub ratio: Ratio,
    /// What the kept count is rounded to, beside what the family's config wants: the hardware's
    /// tile, or 1.
    pub tile: usize,
}

/// Removes the least of every axis of each target's kind. The kept count is the multiple of both
/// the axis's own step and the tile that is nearest to the ratio; of equal scores, the later
/// structure goes.
///
/// # Errors
/// [`Error::RemovesNothing`] where rounding leaves an axis whole, [`Error::NotScored`] and
/// [`Error::ScoreCount`] where `scores` are not of this model.
pub fn select(
    scores: &Scores,
    map: &CouplingMap,
    targets: &[AxisTarget],
    stock: StockTarget,
) -> Result<Selection, Error> {
    select_sparing(scores, map, targets, stock, &[])
}

/// As [`select`], where the blocks `spared` keep their neurons and heads.
pub(crate) fn select_sparing(
    scores: &Scores,
    map: &CouplingMap,
    targets: &[AxisTarget],
    stock: StockTarget,
    spared: &[usize],
) -> Result<Selection, Error> {
    let is_spared = |axis: Axis| axis.layer().is_some_and(|layer| spared.contains(&layer));
    let mut selection = Selection::new();
    for target in targets {
        for axis in map.of_kind(target.kind)?.into_iter().filter(|&axis| !is_spared(axis)) {
            let chosen = select_axis(scores, axis, map.axis(axis)?, target, stock)?;
            selection = selection.with(axis, chosen);
        }
    }
    Ok(selection)
}

/// The scores of an axis of `expected` structures.
pub(crate) fn scores_of(scores: &Scores, axis: Axis, expected: usize) -> Result<&[f64], Error> {
    let scores = scores.get(axis).ok_or_else(|| Error::NotScored { axis: axis.to_string() })?;
    if scores.len() == expected {
        return Ok(scores);
    }
    Err(Error::ScoreCount { axis: axis.to_string(), expected, found: scores.len() })
}

fn select_axis(
    scores: &Scores,
    axis: Axis,
    slots: &AxisSlots,
    target: &AxisTarget,
    stock: StockTarget,
) -> Result<AxisSelection, Error> {
    let scores = scores_of(scores, axis, slots.len)?;
    let step = least_common_multiple(slots.multiple_of.of(stock), target.tile.max(1));
    let kept = target.ratio.kept(slots.len, step);
    if kept == slots.len && target.ratio.get() > 0.0 {
        return Err(removes_nothing(axis, slots.len, step, target));
    }
    let mut order: Vec<usize> = (0..slots.len).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    Ok(AxisSelection::new(slots.len, order.split_off(kept))?)
}

fn removes_nothing(axis: Axis, len: usize, step: usize, target: &AxisTarget) -> Error {
    let largest = (len - 1) / step * step;
    let midpoint = (largest as f64 + (largest + step) as f64) / 2.0;
    Error::RemovesNothing {
        axis: axis.kind().to_string(),
        ratio: target.ratio.get(),
        len,
        step,
        least: (1.0 - midpoint.min(len as f64) / len as f64).max(f64::EPSILON),
    }
}

pub(crate) fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::MultipleOf;

    const ANY: StockTarget = StockTarget::Any;

    fn residual(len: usize, multiple_of: usize) -> CouplingMap {
        let slots = AxisSlots {
            len,
            multiple_of: MultipleOf::all(multiple_of),
            normalization: None,
            slots: Vec::new(),
        };
        CouplingMap::new().with(Axis::Residual, slots)
    }

    fn target(ratio: f64, tile: usize) -> AxisTarget {
        AxisTarget { kind: AxisKind::Residual, ratio: Ratio::new(ratio).unwrap(), tile }
    }

    fn scored(values: Vec<f64>) -> Scores {
        let mut scores = Scores::new();
        scores.insert(Axis::Residual, values).unwrap();
        scores
    }

    #[test]
    fn the_least_scores_go_and_of_equals_the_later() {
        let scores = scored(vec![3.0, 1.0, 2.0, 1.0]);
        let selection = select(&scores, &residual(4, 1), &[target(0.25, 1)], ANY).unwrap();
        assert_eq!(selection.get(Axis::Residual).unwrap().removed(), [3]);
        let selection = select(&scores, &residual(4, 2), &[target(0.5, 1)], ANY).unwrap();
        assert_eq!(selection.get(Axis::Residual).unwrap().removed(), [1, 3]);
    }

    #[test]
    fn the_kept_count_suits_config_and_tile() {
        let scores = scored((0..576).map(f64::from).collect());
        let kept = |tile| {
            let selection = select(&scores, &residual(576, 9), &[target(0.3, tile)], ANY).unwrap();
            selection.get(Axis::Residual).unwrap().kept_len()
        };
        assert_eq!(kept(1), 405);
        assert_eq!(kept(16), 432);
    }

    #[test]
    fn a_ratio_that_rounds_to_nothing_says_what_would_do() {
        let scores = scored((0..576).map(f64::from).collect());
        let error = select(&scores, &residual(576, 9), &[target(0.005, 16)], ANY).unwrap_err();
        let Error::RemovesNothing { least, .. } = error else { panic!("{error}") };
        assert!(select(&scores, &residual(576, 9), &[target(least + 1e-6, 16)], ANY).is_ok());
    }

    #[test]
    fn scores_of_another_model_are_refused() {
        let error = select(&scored(vec![1.0; 5]), &residual(4, 1), &[target(0.5, 1)], ANY).unwrap_err();
        assert!(error.to_string().contains("4 structures and 5 scores"), "{error}");
    }
}
