//! The curves of a report.

use super::tables::text_of;
use super::{Chart, Curve, ModelReport, Report};
use crate::plot::Scale;

/// How many times the least the greatest perplexity is at least where they are drawn on a logarithmic scale.
const MANY: f64 = 4.0;

/// Every chart that there are points for.
pub fn charts(report: &Report) -> Vec<Chart> {
    let models = &report.models;
    let mut charts = perplexities(models);
    let speed = |of: fn(&crate::SpeedReport) -> f64| {
        against_parameters(models, move |model: &ModelReport| model.speed.as_ref().map(of))
    };
    charts.push(chart("prefill", "Prefill latency", "parameters", "ms", speed(|s| s.prefill_ms.median)));
    charts.push(chart("decode", "Decode latency", "parameters", "ms a token", speed(|s| s.decode_ms.median)));
    charts.push(chart(
        "cosine",
        "Cosine with the stream of the other model",
        "layer",
        "cosine",
        cosines(models),
    ));
    let loss = curves(models, |sample| sample.loss);
    charts.push(chart("loss", "Loss while regularizing", "tokens seen", "nats a token", loss));
    let norm = curves(models, |sample| sample.selected_norm);
    charts.push(chart("norm", "What is selected, while regularizing", "tokens seen", "L2 norm", norm));
    charts.retain(Chart::has_points);
    charts
}

fn chart(id: &str, title: &str, x_label: &str, y_label: &str, curves: Vec<Curve>) -> Chart {
    let [id, title, x_label, y_label] = [id, title, x_label, y_label].map(String::from);
    Chart { id, title, x_label, y_label, y_scale: Scale::Linear, curves }
}

/// The scale on which all of some values can be told apart: logarithmic where the greatest is many times the
/// least.
fn scale_of(curves: &[Curve]) -> Scale {
    let values =
        || curves.iter().flat_map(|curve| curve.points.iter().map(|(_, y)| *y)).filter(|y| y.is_finite());
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if least > 0.0 && most > MANY * least { Scale::Log } else { Scale::Linear }
}

/// One chart a text.
fn perplexities(models: &[ModelReport]) -> Vec<Chart> {
    let mut texts: Vec<String> = Vec::new();
    for text in models.iter().flat_map(|model| model.perplexity.iter().map(text_of)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let of = |(index, text): (usize, &String)| {
        let value = |model: &ModelReport| {
            model.perplexity.iter().find(|found| text_of(found) == *text).map(|found| found.perplexity)
        };
        let title = format!("Perplexity, {text}");
        let curves = against_parameters(models, value);
        let y_scale = scale_of(&curves);
        let id = format!("perplexity-{index}");
        Chart { y_scale, ..chart(&id, &title, "parameters", "perplexity", curves) }
    };
    texts.iter().enumerate().map(of).collect()
}

/// One curve a series of models, a point a model. A model of no series is a point by itself: nothing says
/// that what lies between two of them is like either.
fn against_parameters(models: &[ModelReport], value: impl Fn(&ModelReport) -> Option<f64>) -> Vec<Curve> {
    let mut curves: Vec<(Option<&str>, Curve)> = Vec::new();
    let mut sorted: Vec<&ModelReport> = models.iter().collect();
    sorted.sort_by_key(|model| model.size.parameters);
    for model in sorted {
        let Some(value) = value(model) else { continue };
        let series = model.series.as_deref();
        let known = curves.iter().position(|(known, _)| known.is_some() && *known == series);
        let place = known.unwrap_or_else(|| {
            let name = series.unwrap_or(&model.name).into();
            curves.push((series, Curve { name, points: Vec::new(), labels: Vec::new() }));
            curves.len() - 1
        });
        curves[place].1.points.push((model.size.parameters as f64, value));
        curves[place].1.labels.push(model.name.clone());
    }
    join_to_the_dense_model(&mut curves);
    curves.into_iter().map(|(_, curve)| curve).collect()
}

/// Where one model of no series stands beside series of smaller ones, it is what they were made of: their
/// curves go on to its point, which has its name once, at its own.
fn join_to_the_dense_model(curves: &mut [(Option<&str>, Curve)]) {
    let alone = || curves.iter().filter(|(series, _)| series.is_none());
    let (Some((_, dense)), 1) = (alone().next(), alone().count()) else { return };
    let dense = dense.points[0];
    let in_series = |(series, curve): &(Option<&str>, Curve)| {
        series.is_some() && curve.points.iter().any(|point| point.0 > dense.0)
    };
    if curves.iter().any(in_series) {
        return;
    }
    for (_, curve) in curves.iter_mut().filter(|(series, _)| series.is_some()) {
        curve.points.push(dense);
    }
}

fn cosines(models: &[ModelReport]) -> Vec<Curve> {
    let curve = |model: &ModelReport| {
        let layers = &model.departure.as_ref()?.layers;
        let points = layers.iter().map(|at| (at.layer as f64, at.cosine)).collect();
        (!layers.is_empty()).then(|| Curve { name: model.name.clone(), points, labels: Vec::new() })
    };
    models.iter().filter_map(curve).collect()
}

fn curves(models: &[ModelReport], value: impl Fn(&super::CurveSample) -> f64) -> Vec<Curve> {
    let curve = |model: &ModelReport| {
        let samples = &model.origin.as_ref()?.curve;
        let points = samples.iter().map(|sample| (sample.tokens as f64, value(sample))).collect();
        (!samples.is_empty()).then(|| Curve { name: model.name.clone(), points, labels: Vec::new() })
    };
    models.iter().filter_map(curve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> Curve {
        let labels = points.iter().map(|(x, _)| format!("{name} {x}")).collect();
        Curve { name: name.into(), points: points.to_vec(), labels }
    }

    #[test]
    fn every_series_goes_on_to_the_dense_model_which_is_named_once() {
        let of = |largest: f64| {
            let mut curves = vec![
                (Some("flap"), curve("flap", &[(50.0, 30.0), (75.0, 25.0)])),
                (Some("width"), curve("width", &[(75.0, 24.0)])),
                (None, curve("dense", &[(largest, 20.0)])),
            ];
            join_to_the_dense_model(&mut curves);
            curves
        };
        let joined = of(100.0);
        assert!(joined.iter().all(|(_, curve)| curve.points.last() == Some(&(100.0, 20.0))), "{joined:?}");
        let labels = joined.iter().flat_map(|(_, curve)| &curve.labels);
        assert_eq!(labels.filter(|label| label.ends_with(" 100")).count(), 1);
        // A smaller model beside them is another one.
        assert_eq!(of(60.0)[1].1.points.len(), 1);
    }

    /// Two models of no series may have nothing to do with each other.
    #[test]
    fn models_of_no_series_are_points_by_themselves() {
        let mut curves = vec![
            (None, curve("small", &[(50.0, 30.0)])),
            (None, curve("large", &[(100.0, 20.0)])),
            (Some("flap"), curve("flap", &[(50.0, 25.0)])),
        ];
        join_to_the_dense_model(&mut curves);
        assert!(curves.iter().all(|(_, curve)| curve.points.len() == 1), "{curves:?}");
    }
}
