//! The table of a comparison.

use super::{Cell, Comparison};
use dress_eval::report::{grouped, markdown_code, markdown_text};
use std::fmt::Write;

/// A Markdown table, a row a cell, with the lengths and texts it was measured on below.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::from(
        "| method | ratio | parameters | of dense | kept | tokens trained on | perplexity, seen | perplexity, unseen \
         | minutes | peak GiB |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for cell in &comparison.cells {
        let _ = writeln!(text, "{}", row(cell));
    }
    for failed in &comparison.failed {
        let _ = writeln!(text, "| {} | failed | | | | | | | | |", markdown_text(failed));
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

fn row(cell: &Cell) -> String {
    let of = &cell.measured;
    let share = 100.0 * of.parameters as f64 / of.parameters_dense as f64;
    let kept: Vec<String> = of.kept.iter().map(ToString::to_string).collect();
    let dense = cell.preset.is_none();
    let or_nothing = |text: String| if dense { String::new() } else { text };
    format!(
        "| {} | {} | {} | {share:.1}% | {} | {} | {:.2} | {} | {} | {} |",
        markdown_text(cell.name()),
        or_nothing(cell.ratio.to_string()),
        grouped(of.parameters),
        kept.join(", "),
        or_nothing(grouped(of.training_tokens)),
        of.seen.perplexity,
        of.unseen.as_ref().map_or(String::new(), |unseen| format!("{:.2}", unseen.perplexity)),
        or_nothing(format!("{:.1}", of.seconds / 60.0)),
        of.peak_bytes.map_or(String::new(), |bytes| format!("{:.2}", bytes as f64 / (1u64 << 30) as f64)),
    )
}

fn footnote(comparison: &Comparison, dense: &Cell) -> String {
    let calibration = comparison.cells.iter().find_map(|cell| cell.measured.calibration.as_ref());
    format!(
        "Ratios of {}. {}",
        markdown_text(&comparison.by.to_string()),
        crate::kept_cells::measured_on(&dense.measured, calibration)
    )
}
