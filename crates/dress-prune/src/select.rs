//! From scores to a selection.

use crate::{AxisTarget, Error, LayerRatios, Protected, RoundedRatio};
use dress_core::{Axis, AxisSelection, AxisSlots, CouplingMap, Ratio, Scores, Selection, StockTarget};

/// Removes the least of every axis of each target's kind. The kept count is the multiple of both
/// the axis's own step and the tile that is nearest to the ratio; of equal scores, the later
/// structure goes.
///
/// # Errors
/// [`Error::RemovesNothing`] where rounding leaves an axis whole, [`Error::NotScored`] and
/// [`Error::ScoreCount`] where `scores` are not of this model.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisKind, CausalLm, Ratio, Scores, StockTarget};
/// use dress_prune::{AxisTarget, select};
///
/// let mut scores = Scores::new();
/// for layer in 0..2 {
///     scores.insert(Axis::Ffn { layer }, (0..24).map(f64::from).collect())?;
/// }
/// let target = AxisTarget::new(AxisKind::Ffn, Ratio::new(0.25)?, 1);
/// let selection = select(&scores, &model.coupling(), &[target], StockTarget::Dress)?;
/// assert_eq!(selection.get(Axis::Ffn { layer: 0 }).unwrap().removed(), [0, 1, 2, 3, 4, 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn select(
    scores: &Scores,
    map: &CouplingMap,
    targets: &[AxisTarget],
    stock: StockTarget,
) -> Result<Selection, Error> {
    let selection = select_but(scores, map, targets, stock, &Exceptions::default())?;
    let far = RoundedRatio::all(&selection, targets).into_iter().filter(RoundedRatio::is_far);
    far.for_each(|rounded| tracing::warn!("{rounded}"));
    Ok(selection)
}

/// What is otherwise than the targets say.
#[derive(Debug, Default)]
pub(crate) struct Exceptions {
    /// Layers that keep their neurons and heads.
    pub spared: Vec<usize>,
    /// Structures that stay.
    pub protected: Protected,
    /// Axes with ratios of their own.
    pub ratios: LayerRatios,
}

/// As [`select`], but for the exceptions.
pub(crate) fn select_but(
    scores: &Scores,
    map: &CouplingMap,
    targets: &[AxisTarget],
    stock: StockTarget,
    but: &Exceptions,
) -> Result<Selection, Error> {
    let is_spared = |axis: Axis| {
        but.protected.is_whole(axis) || axis.layer().is_some_and(|layer| but.spared.contains(&layer))
    };
    let mut selection = Selection::new();
    for target in targets {
        for axis in map.of_kind(target.kind)?.into_iter().filter(|&axis| !is_spared(axis)) {
            let own = but.ratios.get(&axis).map(|&ratio| AxisTarget { ratio, ..*target });
            let slots = map.axis(axis)?;
            let protected = but.protected.of(axis, slots.len);
            let chosen = select_axis(scores, axis, slots, own.as_ref().unwrap_or(target), stock, &protected)?;
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
    protected: &[usize],
) -> Result<AxisSelection, Error> {
    let scores = scores_of(scores, axis, slots.len)?;
    let step = least_common_multiple(slots.multiple_of.of(stock), target.tile.max(1));
    let kept = target.ratio.kept(slots.len, step);
    if kept == slots.len && target.ratio.get() > 0.0 {
        return Err(removes_nothing(axis, slots.len, step, target));
    }
    if protected.len() > kept {
        return Err(Error::TooManyProtected { axis: axis.to_string(), protected: protected.len(), kept });
    }
    let mut order: Vec<usize> = (0..slots.len).collect();
    let stays = |index: usize| protected.binary_search(&index).is_ok();
    order.sort_by(|&a, &b| stays(b).cmp(&stays(a)).then(scores[b].total_cmp(&scores[a])).then(a.cmp(&b)));
    Ok(AxisSelection::new(slots.len, order.split_off(kept))?)
}

fn removes_nothing(axis: Axis, len: usize, step: usize, target: &AxisTarget) -> Error {
    let (axis, ratio) = (axis.kind().to_string(), target.ratio.get());
    Error::RemovesNothing { axis, ratio, len, step, least: least_ratio(len, step) }
}

/// The least ratio, in ten-thousandths, that removes something of `len` structures of which a multiple of
/// `step` stays.
fn least_ratio(len: usize, step: usize) -> Option<f64> {
    const PARTS: usize = 10_000;
    let removes =
        |part: usize| Ratio::new(part as f64 / PARTS as f64).is_ok_and(|ratio| ratio.kept(len, step) < len);
    // What a larger ratio keeps is never more.
    let (mut low, mut high) = (1, PARTS);
    while low < high {
        let middle = low.midpoint(high);
        if removes(middle) { high = middle } else { low = middle + 1 }
    }
    (low < PARTS).then_some(low as f64 / PARTS as f64)
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
    use dress_core::{AxisKind, MultipleOf};

    const ALL: StockTarget = StockTarget::All;

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
        let selection = select(&scores, &residual(4, 1), &[target(0.25, 1)], ALL).unwrap();
        assert_eq!(selection.get(Axis::Residual).unwrap().removed(), [3]);
        let selection = select(&scores, &residual(4, 2), &[target(0.5, 1)], ALL).unwrap();
        assert_eq!(selection.get(Axis::Residual).unwrap().removed(), [1, 3]);
    }

    #[test]
    fn what_is_protected_stays_and_its_like_goes() {
        let scores = scored(vec![3.0, 1.0, 2.0, 1.5]);
        let but = |text: &str| Exceptions { protected: text.parse().unwrap(), ..Exceptions::default() };
        let of =
            |ratio, text: &str| select_but(&scores, &residual(4, 1), &[target(ratio, 1)], ALL, &but(text));
        let gone = |text: &str| of(0.5, text).unwrap().get(Axis::Residual).unwrap().removed().to_vec();
        assert_eq!((gone("residual=1"), gone("residual=1,3")), (vec![2, 3], vec![0, 2]));
        let said = of(0.75, "residual=1,3").unwrap_err().to_string();
        assert!(said.contains("2 structures") && said.contains("leaves 1"), "{said}");
    }

    #[test]
    fn layers_may_have_ratios_of_their_own_and_stay_whole() {
        let axis = |layer| Axis::Ffn { layer };
        let slots =
            || AxisSlots { len: 4, multiple_of: MultipleOf::ONE, normalization: None, slots: Vec::new() };
        let map = (0..4).fold(CouplingMap::new(), |map, layer| map.with(axis(layer), slots()));
        let mut scores = Scores::new();
        (0..4).for_each(|layer| scores.insert(axis(layer), vec![4.0, 3.0, 2.0, 1.0]).unwrap());
        let half = AxisTarget::new(AxisKind::Ffn, Ratio::new(0.5).unwrap(), 1);
        let ratio = |ratio| Ratio::new(ratio).unwrap();
        let but = Exceptions {
            protected: "layers=0".parse().unwrap(),
            ratios: LayerRatios::from([(axis(1), ratio(0.0)), (axis(2), ratio(0.25))]),
            ..Exceptions::default()
        };
        let selection = select_but(&scores, &map, &[half], StockTarget::Dress, &but).unwrap();
        let gone = |layer| selection.get(axis(layer)).map_or(0, |chosen| chosen.removed().len());
        assert_eq!([0, 1, 2, 3].map(gone), [0, 0, 1, 2]);
    }

    #[test]
    fn the_kept_count_suits_config_and_tile() {
        let scores = scored((0..576).map(f64::from).collect());
        let kept = |tile| {
            let selection = select(&scores, &residual(576, 9), &[target(0.3, tile)], ALL).unwrap();
            selection.get(Axis::Residual).unwrap().kept_len()
        };
        assert_eq!(kept(1), 405);
        assert_eq!(kept(16), 432);
    }

    #[test]
    fn a_ratio_that_rounds_to_nothing_says_what_would_do() {
        let scores = scored((0..576).map(f64::from).collect());
        let error = select(&scores, &residual(576, 9), &[target(0.005, 16)], ALL).unwrap_err();
        let Error::RemovesNothing { least: Some(least), .. } = error else { panic!("{error}") };
        assert!(select(&scores, &residual(576, 9), &[target(least, 16)], ALL).is_ok());
        assert!(select(&scores, &residual(576, 9), &[target(least - 1e-4, 16)], ALL).is_err());
    }

    #[test]
    fn the_least_ratio_is_one_that_works_or_none() {
        assert_eq!(
            (least_ratio(2, 1), least_ratio(192, 64), least_ratio(11_008, 1)),
            (Some(0.2501), Some(0.1667), Some(0.0001))
        );
        assert_eq!((least_ratio(192, 1000), least_ratio(64, 64), least_ratio(1, 1)), (None, None, None));
        let scores = scored((0..192).map(f64::from).collect());
        let refused = select(&scores, &residual(192, 1), &[target(0.5, 1000)], ALL).unwrap_err().to_string();
        assert!(refused.contains("no ratio does") && refused.contains("lower the tile"), "{refused}");
    }

    #[test]
    fn whole_layers_have_no_tile() {
        let ratio = Ratio::new(0.2).unwrap();
        assert_eq!(AxisTarget::new(AxisKind::Depth, ratio, 64).tile, 1);
        assert_eq!(AxisTarget::new(AxisKind::Ffn, ratio, 64).tile, 64);
    }

    #[test]
    fn scores_of_another_model_are_refused() {
        let error = select(&scored(vec![1.0; 5]), &residual(4, 1), &[target(0.5, 1)], ALL).unwrap_err();
        assert!(error.to_string().contains("4 structures and 5 scores"), "{error}");
    }
}
