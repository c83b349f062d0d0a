//! What a slice plan takes, and the scores that it is by.

use super::{Panel, Scale, Series};
use dress_core::{Axis, AxisKind, ScoreSummary, SlicePlan};
use std::collections::BTreeSet;
use std::path::Path;

/// The kinds of axes in the order in which they are drawn.
const KINDS: [AxisKind; 4] = [AxisKind::Residual, AxisKind::Ffn, AxisKind::Heads, AxisKind::Depth];

/// The share that stays of every axis by layer, and where a plan says what it is by, the distribution of the
/// scores: by layer where each layer has an axis of the kind, and else over the axis's structures. A title
/// says `model`, what the plan is by and the text that it looked at.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, Scores, Selection, SlicePlan};
/// use dress_eval::plot::{picture, plan_panels};
///
/// let (mut scores, mut selection) = (Scores::new(), Selection::new());
/// for layer in 0..2 {
///     scores.insert(Axis::Ffn { layer }, (1..=24).map(f64::from).collect())?;
///     selection = selection.with(Axis::Ffn { layer }, AxisSelection::new(24, (0..6).collect())?);
/// }
/// let plan = SlicePlan::new(&model, "wanda", 42, None, &scores, selection)?;
/// let panels = plan_panels(&plan, "a model");
/// assert_eq!(panels.len(), 2);
/// assert!(picture(&panels)?.svg().contains("the greatest that goes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan_panels(plan: &SlicePlan, model: &str) -> Vec<Panel> {
    let mut panels: Vec<Panel> = kept_share(plan, model).into_iter().collect();
    panels.extend(KINDS.iter().filter_map(|&kind| distribution(plan, model, kind)));
    panels
}

/// The axes of a kind that the plan says anything of.
fn axes(plan: &SlicePlan, kind: AxisKind) -> Vec<Axis> {
    let named = plan.scores.keys().copied().chain(plan.selection.iter().map(|(axis, _)| axis));
    let all: BTreeSet<Axis> = named.filter(|axis| axis.kind() == kind).collect();
    all.into_iter().collect()
}

/// How many layers the plan knows of.
fn layers(plan: &SlicePlan) -> usize {
    let of_axes = KINDS.iter().flat_map(|&kind| axes(plan, kind)).filter_map(Axis::layer).max();
    let of_depth = plan.selection.get(Axis::Depth).map_or(0, |depth| depth.len());
    of_axes.map_or(0, |layer| layer + 1).max(of_depth).max(1)
}

/// What the plan is by, and the name of the text that was looked at.
fn made_by(plan: &SlicePlan) -> String {
    let text = plan.calibration.as_ref().and_then(|data| Path::new(&data.path).file_name());
    let text = text.map_or_else(String::new, |name| format!(", {}", name.to_string_lossy()));
    format!("by {}{text}", plan.criterion)
}

/// The share of each axis that stays, by layer; of a plan of the width alone there is nothing to draw, as all
/// layers have the same.
fn kept_share(plan: &SlicePlan, model: &str) -> Option<Panel> {
    if KINDS[1..].iter().all(|&kind| axes(plan, kind).is_empty()) {
        return None;
    }
    let share = |axis: Axis| {
        plan.selection
            .get(axis)
            .map_or(100.0, |chosen| 100.0 * chosen.kept_len() as f64 / chosen.len() as f64)
    };
    let last = layers(plan) - 1;
    let gone = plan.selection.removed_layers();
    let stays = |layer: usize| if gone.contains(&layer) { 0.0 } else { 100.0 };
    let of = |kind: AxisKind| {
        let axes = axes(plan, kind);
        let points: Vec<(f64, f64)> = match kind {
            // The width is that of every layer.
            AxisKind::Residual => [0, last].map(|layer| (layer as f64, share(Axis::Residual))).into(),
            AxisKind::Depth => (0..=last).map(|layer| (layer as f64, stays(layer))).collect(),
            _ => axes.iter().filter_map(|&axis| Some((axis.layer()? as f64, share(axis)))).collect(),
        };
        (!axes.is_empty()).then(|| Series { name: kind.to_string(), points })
    };
    Some(Panel {
        title: format!("{model}: what stays, {}", made_by(plan)),
        x_label: "layer".into(),
        y_label: "percent of the structures that stays".into(),
        series: KINDS.into_iter().filter_map(of).collect(),
        ..Panel::default()
    })
}

/// What the scores of one kind of axis are like.
fn distribution(plan: &SlicePlan, model: &str, kind: AxisKind) -> Option<Panel> {
    let scored: Vec<(Axis, &ScoreSummary)> =
        axes(plan, kind).into_iter().filter_map(|axis| Some((axis, plan.scores.get(&axis)?))).collect();
    let (_, first) = *scored.first()?;
    let by_layer = scored.iter().all(|(axis, _)| axis.layer().is_some());
    let (x_label, series) = match by_layer {
        true => ("layer", series_by_layer(&scored)),
        false => ("percent of the structures, the least first", over_structures(first)),
    };
    let positive = series.iter().flat_map(|series| &series.points).all(|(_, y)| *y > 0.0);
    Some(Panel {
        title: format!("{model}: scores of {kind}, {}", made_by(plan)),
        x_label: x_label.into(),
        y_label: "score".into(),
        y_scale: if positive { Scale::Log } else { Scale::Linear },
        series,
        ..Panel::default()
    })
}

fn series_by_layer(scored: &[(Axis, &ScoreSummary)]) -> Vec<Series> {
    let of = |name: &str, value: &dyn Fn(&ScoreSummary) -> Option<f64>| {
        let point = |(axis, summary): &(Axis, &ScoreSummary)| Some((axis.layer()? as f64, value(summary)?));
        Series { name: name.into(), points: scored.iter().filter_map(point).collect() }
    };
    let decile = |tenths: usize| move |summary: &ScoreSummary| Some(summary.deciles?[tenths]);
    let all = [
        of("a tenth is below", &decile(1)),
        of("half is below", &|summary| Some(summary.median)),
        of("nine tenths are below", &decile(9)),
        of("the greatest that goes", &|summary| summary.max_removed),
    ];
    all.into_iter().filter(|series| !series.points.is_empty()).collect()
}

fn over_structures(summary: &ScoreSummary) -> Vec<Series> {
    let known = summary.deciles.map_or_else(
        || vec![(0.0, summary.min), (50.0, summary.median), (100.0, summary.max)],
        |deciles| deciles.iter().enumerate().map(|(tenths, score)| (10.0 * tenths as f64, *score)).collect(),
    );
    let mut all = vec![Series { name: "scores".into(), points: known }];
    if let Some(most) = summary.max_removed {
        let points = vec![(0.0, most), (100.0, most)];
        all.push(Series { name: "the greatest that goes".into(), points });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{AxisSelection, Basis, CorpusProvenance, Fingerprint, PLAN_FORMAT, Selection};
    use std::collections::BTreeMap;

    fn plan(selection: Selection, scores: BTreeMap<Axis, ScoreSummary>) -> SlicePlan {
        let data = CorpusProvenance { path: "texts/kjv.txt".into(), ..CorpusProvenance::default() };
        SlicePlan {
            format: PLAN_FORMAT,
            architecture: "LlamaForCausalLM".into(),
            fingerprint: Fingerprint::builder().finish(),
            criterion: "flap".into(),
            seed: 1,
            calibration: Some(data),
            scores,
            basis: Basis::Identity,
            selection,
        }
    }

    #[test]
    fn every_kind_has_its_share_in_every_layer() {
        let lost = |gone: usize| AxisSelection::new(4, (0..gone).collect()).unwrap();
        let selection = Selection::new()
            .with(Axis::Ffn { layer: 1 }, lost(1))
            .with(Axis::Ffn { layer: 2 }, lost(3))
            .with(Axis::Residual, lost(2))
            .with(Axis::Depth, lost(1));
        let panels = plan_panels(&plan(selection, BTreeMap::new()), "m");
        assert_eq!(panels.len(), 1, "a plan without scores says nothing of them");
        assert_eq!(panels[0].title, "m: what stays, by flap, kjv.txt");
        let found: Vec<_> = panels[0].series.iter().map(|s| (s.name.as_str(), s.points.clone())).collect();
        let layers = |shares: &[f64]| shares.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
        let expected: [(&str, Vec<(f64, f64)>); 3] = [
            ("residual", vec![(0.0, 50.0), (3.0, 50.0)]),
            ("ffn", vec![(1.0, 75.0), (2.0, 25.0)]),
            ("depth", layers(&[0.0, 100.0, 100.0, 100.0])),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_single_axis_shows_its_scores_over_its_structures() {
        let deciles = std::array::from_fn(|tenths| tenths as f64);
        let summary =
            |deciles| ScoreSummary { min: 0.0, median: 5.0, max: 10.0, max_removed: Some(2.0), deciles };
        let of = |deciles| {
            let scores = BTreeMap::from([(Axis::Residual, summary(deciles))]);
            let mut panels = plan_panels(&plan(Selection::new(), scores), "m");
            assert_eq!(panels.len(), 1, "all layers have the same width: what stays is not drawn");
            panels.remove(0)
        };
        let panel = of(Some(deciles));
        assert_eq!((panel.series[0].points.len(), panel.y_scale), (11, Scale::Linear));
        assert_eq!(panel.series[1].points, [(0.0, 2.0), (100.0, 2.0)]);
        assert_eq!(of(None).series[0].points, [(0.0, 0.0), (50.0, 5.0), (100.0, 10.0)]);
    }
}
