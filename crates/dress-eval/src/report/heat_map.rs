//! What scores were like in every layer, as shades.

use super::escaped::html_text as escape;
use super::number::significant;
use super::{ModelReport, Report};
use dress_core::AxisKind;
use std::fmt::Write;

/// More layers than any model has.
const MOST_LAYERS: usize = 10_000;

/// Shades of one model's scores.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// A word for links.
    pub id: String,
    /// What is above it.
    pub title: String,
    /// How many columns, a layer each.
    pub layers: usize,
    /// The rows.
    pub rows: Vec<HeatRow>,
}

/// One quantity in every layer.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatRow {
    /// What it is.
    pub name: String,
    /// Its value in each layer that has one.
    pub cells: Vec<Option<f64>>,
}

/// One heat map a model whose plan has scores. An axis that is not one layer's, as the width, is one cell.
pub fn heat_maps(report: &Report) -> Vec<HeatMap> {
    report.models.iter().enumerate().filter_map(|(index, model)| heat_map(index, model)).collect()
}

fn heat_map(index: usize, model: &ModelReport) -> Option<HeatMap> {
    // The width, and whole layers, have one score for all of the model: no map.
    let scores = model.origin.as_ref()?.scores.iter().filter_map(|score| Some((score.layer?, score)));
    // A report is a file that anybody can write.
    let scores = scores.filter(|(layer, _)| *layer < MOST_LAYERS);
    let scores: Vec<_> = scores.collect();
    let last = scores.iter().map(|(layer, _)| *layer).max()?;
    let mut kinds: Vec<AxisKind> = Vec::new();
    for (_, score) in &scores {
        if !kinds.contains(&score.axis) {
            kinds.push(score.axis);
        }
    }
    let mut rows = Vec::new();
    for kind in kinds {
        let mut row = |what: &str, value: &dyn Fn(&super::LayerScore) -> Option<f64>| {
            let mut cells = vec![None; last + 1];
            for (layer, score) in scores.iter().filter(|(_, score)| score.axis == kind) {
                cells[*layer] = value(score);
            }
            rows.push(HeatRow { name: format!("{kind}, {what}"), cells });
        };
        row("greatest score", &|score| Some(score.summary.max));
        row("median score", &|score| Some(score.summary.median));
        row("least score", &|score| Some(score.summary.min));
        row("greatest that went", &|score| score.summary.max_removed);
        row("share that went", &|score| Some(score.removed));
    }
    let criterion = model.origin.as_ref().map(|origin| origin.criterion.as_str()).unwrap_or_default();
    let title = format!("Scores by layer, {} ({criterion})", model.name);
    Some(HeatMap { id: format!("scores-{index}"), title, layers: last + 1, rows })
}

impl HeatMap {
    /// The picture: every row has its own shades, from its least to its greatest value.
    pub(super) fn svg(&self, class: &str, width: u32) -> String {
        let narrow = width < 500;
        let (left, cell_height) = (if narrow { 8.0 } else { 170.0 }, 22.0);
        let row_height = if narrow { 40.0 } else { 25.0 };
        let above = if narrow { 14.0 } else { 0.0 };
        let cell = ((f64::from(width) - left - 8.0) / self.layers as f64).min(60.0);
        let height = row_height * self.rows.len() as f64 + 34.0;
        let mut text = String::new();
        let _ = write!(
            text,
            r#"<svg class="{class}" viewBox="0 0 {width} {height:.0}" role="img" aria-label="{}">"#,
            escape(&self.title)
        );
        for (index, row) in self.rows.iter().enumerate() {
            let top = row_height * index as f64;
            let (x, y, anchor) =
                if narrow { (left, top + 11.0, "start") } else { (left - 8.0, top + 15.0, "end") };
            let name = escape(&row.name);
            let _ = write!(
                text,
                r#"<text class="tick" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{name}</text>"#
            );
            row.cells_svg(&mut text, left, top + above, cell, cell_height);
        }
        let under = height - 18.0;
        for layer in (0..self.layers).step_by(self.layers.div_ceil(12).max(1)) {
            let x = left + cell * (layer as f64 + 0.5);
            let _ = write!(
                text,
                r#"<text class="tick" x="{x:.1}" y="{under:.1}" text-anchor="middle">{layer}</text>"#
            );
        }
        let _ =
            write!(text, r#"<text class="label" x="{left:.1}" y="{:.1}">layer</text></svg>"#, height - 4.0);
        text
    }
}

impl HeatRow {
    fn cells_svg(&self, text: &mut String, left: f64, top: f64, width: f64, height: f64) {
        let known = self.cells.iter().flatten().copied().filter(|value| value.is_finite());
        let low = known.clone().fold(f64::INFINITY, f64::min);
        let high = known.fold(f64::NEG_INFINITY, f64::max);
        for (layer, value) in self.cells.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let shade = if high > low { (value - low) / (high - low) } else { 0.5 };
            let _ = write!(
                text,
                r#"<rect class="heat" style="fill-opacity:{:.3}" x="{:.1}" y="{top:.1}" width="{:.1}" height="{height:.1}">"#,
                0.06 + 0.94 * shade,
                left + width * layer as f64,
                (width - 1.0).max(1.0)
            );
            let _ = write!(
                text,
                "<title>{}, layer {layer}: {}</title></rect>",
                escape(&self.name),
                significant(value)
            );
        }
    }
}
