//! The picture of a comparison.

use super::{Cell, Comparison};
use crate::Error;
use dress_eval::plot::{Panel, Series, log_svg};

/// An SVG of perplexity against parameters, a curve a method, the model as it is at the end of each; one panel for the
/// seen text and one for the unseen, where there is one. Perplexity is on a logarithmic scale.
///
/// # Errors
/// Those of [`log_svg`].
pub fn picture(comparison: &Comparison) -> Result<String, Error> {
    let unseen = |cell: &Cell| cell.measured.unseen.as_ref().map_or(f64::NAN, |unseen| unseen.perplexity);
    let mut panels =
        vec![panel(comparison, "A text like the calibration's", |cell| cell.measured.seen.perplexity)];
    if comparison.cells.iter().any(|cell| cell.measured.unseen.is_some()) {
        panels.push(panel(comparison, "Another text", unseen));
    }
    Ok(log_svg(&panels)?)
}

fn panel(comparison: &Comparison, title: &str, value: impl Fn(&Cell) -> f64) -> Panel {
    let point = |cell: &Cell| (cell.measured.parameters as f64 / 1e6, value(cell));
    let mut series: Vec<Series> = Vec::new();
    for cell in comparison.cells.iter().filter(|cell| cell.preset.is_some()) {
        match series.iter_mut().find(|series| series.name == cell.name()) {
            Some(series) => series.points.push(point(cell)),
            None => series.push(Series { name: cell.name().into(), points: vec![point(cell)] }),
        }
    }
    let dense: Vec<(f64, f64)> =
        comparison.cells.iter().filter(|cell| cell.preset.is_none()).map(point).collect();
    for series in &mut series {
        series.points.extend(&dense);
        series.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    if series.is_empty() {
        series.push(Series { name: "dense".into(), points: dense });
    }
    let (x_label, y_label) = ("million parameters".into(), "perplexity".into());
    Panel { title: title.into(), x_label, y_label, series }
}
