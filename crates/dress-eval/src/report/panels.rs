//! The curves of a report as panels of a picture.

use super::charts::OF_NO_SERIES;
use super::{Chart, Curve, Report, charts};
use crate::plot::{Panel, Series};

/// The panels of a picture with all curves that the page of a report has; none where it has tables alone. The
/// models that belong to no series are named by the legend, and a model that is alone by the titles.
///
/// # Examples
/// ```
/// use dress_eval::report::{Report, report_panels};
///
/// assert!(report_panels(&Report::new(Vec::new())).is_empty());
/// ```
pub fn report_panels(report: &Report) -> Vec<Panel> {
    let title = |title: String| match &report.models[..] {
        [alone] => format!("{}: {title}", alone.name),
        _ => title,
    };
    let panel = |chart: Chart| Panel {
        title: title(chart.title),
        x_label: chart.x_label,
        y_label: chart.y_label,
        y_scale: chart.y_scale,
        series: chart.curves.into_iter().flat_map(series).collect(),
        marks: Vec::new(),
    };
    charts(report).into_iter().map(panel).collect()
}

/// A curve as one series, or its points as one each where they are models that nothing joins.
fn series(curve: Curve) -> Vec<Series> {
    let Curve { name, points, labels } = curve;
    if name != OF_NO_SERIES || labels.len() != points.len() {
        return vec![Series { name, points }];
    }
    let one = |(name, point)| Series { name, points: vec![point] };
    labels.into_iter().zip(points).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_no_series_are_apart_and_those_of_one_are_a_curve() {
        let curve = |name: &str| Curve {
            name: name.into(),
            points: vec![(1.0, 3.0), (2.0, 2.0)],
            labels: vec!["half".into(), "dense".into()],
        };
        let names =
            |curve| series(curve).into_iter().map(|one| (one.name, one.points.len())).collect::<Vec<_>>();
        assert_eq!(names(curve("flap")), [("flap".to_string(), 2)]);
        assert_eq!(names(curve(OF_NO_SERIES)), [("half".to_string(), 1), ("dense".to_string(), 1)]);
    }
}
