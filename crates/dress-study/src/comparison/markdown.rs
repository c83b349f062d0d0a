//! The table of a comparison.

use super::{Cell, Comparison};
use dress_eval::report::{grouped, markdown_code, markdown_text};
use std::fmt::Write;

/// A column: its name, whether it holds numbers, and what stands in a cell's row.
struct Column {
    name: &'static str,
    numbers: bool,
    of: fn(&Comparison, &Cell) -> String,
}

/// A Markdown table, a row a cell, with the lengths and texts it was measured on below. Of the methods at
/// each ratio the lowest perplexities are in bold.
pub fn markdown(comparison: &Comparison) -> String {
    let columns = columns(comparison);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns.iter().map(|column| column.name.into()).collect());
    let rules = columns.iter().map(|column| if column.numbers { "---:" } else { "---" });
    text += &line(rules.map(String::from).collect());
    for cell in &comparison.cells {
        text += &line(columns.iter().map(|column| (column.of)(comparison, cell)).collect());
    }
    for failed in &comparison.failed {
        let rest = vec![String::new(); columns.len() - 2];
        text += &line([vec![markdown_text(failed), "failed".into()], rest].concat());
    }
    if let Some(first) = comparison.cells.first() {
        let _ = writeln!(text, "\n{}", footnote(comparison, first));
    }
    for [first, second] in alike(&comparison.cells) {
        let _ = writeln!(
            text,
            "\n{} and {} are one shape: it has none between them.",
            markdown_code(&first.id().to_string()),
            markdown_code(&second.id().to_string())
        );
    }
    text
}

/// Neighbouring ratios of one method that leave the same of every axis.
fn alike(cells: &[Cell]) -> impl Iterator<Item = [&Cell; 2]> {
    let same = |first: &Cell, second: &Cell| {
        first.preset.is_some()
            && (first.preset, &first.measured.kept) == (second.preset, &second.measured.kept)
    };
    cells.windows(2).filter(move |pair| same(&pair[0], &pair[1])).map(|pair| [&pair[0], &pair[1]])
}

fn column(name: &'static str, numbers: bool, of: fn(&Comparison, &Cell) -> String) -> Column {
    Column { name, numbers, of }
}

fn columns(comparison: &Comparison) -> Vec<Column> {
    let unseen = comparison.cells.iter().any(|cell| cell.measured.unseen.is_some());
    let all = [
        column("method", false, |_, cell| markdown_text(cell.name())),
        column("ratio", true, |_, cell| of_method(cell, cell.ratio.to_string())),
        column("parameters", true, |_, cell| grouped(cell.measured.parameters)),
        column("of dense", true, |_, cell| {
            format!("{:.1}%", 100.0 * cell.measured.parameters as f64 / cell.measured.parameters_dense as f64)
        }),
        column("kept", false, |_, cell| {
            cell.measured.kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }),
        column("tokens trained on", true, |_, cell| of_method(cell, grouped(cell.measured.training_tokens))),
        column("perplexity, seen", true, |all, cell| best_marked(all, cell, seen)),
        column("perplexity, unseen", true, |all, cell| best_marked(all, cell, unseen_of)),
        column("minutes", true, |_, cell| of_method(cell, format!("{:.1}", cell.measured.seconds / 60.0))),
        column("peak GiB", true, |_, cell| {
            let gib = |bytes: u64| format!("{:.2}", bytes as f64 / (1u64 << 30) as f64);
            cell.measured.peak_bytes.map_or(String::new(), gib)
        }),
    ];
    all.into_iter().filter(|column| unseen || column.name != "perplexity, unseen").collect()
}

/// What is said of a method and not of the model as it is.
fn of_method(cell: &Cell, text: String) -> String {
    if cell.preset.is_none() { String::new() } else { text }
}

fn seen(cell: &Cell) -> Option<f64> {
    Some(cell.measured.seen.perplexity)
}

fn unseen_of(cell: &Cell) -> Option<f64> {
    cell.measured.unseen.as_ref().map(|unseen| unseen.perplexity)
}

/// A perplexity, in bold where no other method has a lower one at the ratio.
fn best_marked(comparison: &Comparison, cell: &Cell, of: fn(&Cell) -> Option<f64>) -> String {
    let Some(value) = of(cell) else { return String::new() };
    let rivals =
        || comparison.cells.iter().filter(move |other| other.preset.is_some() && other.ratio == cell.ratio);
    let is_best =
        cell.preset.is_some() && rivals().count() > 1 && rivals().filter_map(of).all(|other| value <= other);
    if is_best { format!("**{value:.2}**") } else { format!("{value:.2}") }
}

fn footnote(comparison: &Comparison, dense: &Cell) -> String {
    let calibration = comparison.cells.iter().find_map(|cell| cell.measured.calibration.as_ref());
    format!(
        "Ratios of {}; the lowest perplexities at a ratio are in bold. {}",
        markdown_text(&comparison.by.to_string()),
        crate::kept_cells::measured_on(&dense.measured, calibration)
    )
}
