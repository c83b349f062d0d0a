//! The picture of a comparison.

use super::{Cell, Comparison};
use crate::Error;
use dress_eval::PerplexityReport;
use dress_eval::plot::{self, Panel, Picture, Scale, Series};

/// Perplexity against parameters, a curve a method, each joined to the model as it is; one panel for the seen
/// text and one for the unseen, where there is one. Perplexity is on a logarithmic scale.
///
/// # Errors
/// Those of [`plot::picture()`].
pub fn picture(comparison: &Comparison) -> Result<Picture, Error> {
    let seen = |cell: &Cell| Some(cell.measured.seen.clone());
    let mut panels = vec![panel(comparison, "like the calibration's", seen)];
    if comparison.cells.iter().any(|cell| cell.measured.unseen.is_some()) {
        panels.push(panel(comparison, "of another kind", |cell: &Cell| cell.measured.unseen.clone()));
    }
    Ok(plot::picture(&panels)?)
}

/// The last part of a path or an id.
pub(crate) fn last_part(path: &str) -> &str {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(path)
}

fn panel(comparison: &Comparison, kind: &str, measured: impl Fn(&Cell) -> Option<PerplexityReport>) -> Panel {
    let point = |cell: &Cell| {
        let perplexity = measured(cell).map_or(f64::NAN, |report| report.perplexity);
        (cell.measured.parameters as f64 / 1e6, perplexity)
    };
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
    let data = comparison.cells.iter().find_map(measured).map_or(String::new(), |report| {
        let data = report.data;
        format!(", {} ({} blocks of {} tokens)", last_part(&data.path), data.blocks, data.seqlen)
    });
    Panel {
        title: format!("{}: a text {kind}{data}", last_part(&comparison.model)),
        x_label: "million parameters".into(),
        y_label: "perplexity".into(),
        y_scale: Scale::Log,
        series,
        ..Panel::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_the_last_part_of_its_path() {
        assert_eq!(["a/b/", "owner/name", "alone"].map(last_part), ["b", "name", "alone"]);
    }
}
