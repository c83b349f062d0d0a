//! The curves of a report as panels of a picture.

use super::{Chart, Curve, Report, charts};
use crate::plot::{Panel, Series};

/// The panels of a picture with all curves that the page of a report has; none where it has tables alone. The
/// legend has their names, and the titles that of a model which is alone.
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
        series: chart.curves.into_iter().map(series).collect(),
        marks: Vec::new(),
    };
    charts(report).into_iter().map(panel).collect()
}

fn series(Curve { name, points, .. }: Curve) -> Series {
    Series { name, points }
}
