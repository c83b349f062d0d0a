//! The table of a comparison.

use super::{Cell, Comparison};
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
        let _ = writeln!(text, "| {failed} | failed | | | | | | | | |");
    }
    if let Some(first) = comparison.cells.first() {
        let _ = writeln!(text, "\n{}", footnote(comparison, first));
    }
    for [first, second] in alike(&comparison.cells) {
        let _ = writeln!(
            text,
            "\n`{}` and `{}` are one shape: it has none between them.",
            first.id(),
            second.id()
        );
    }
    text
}

/// Neighbouring ratios of one method that leave the same of every axis.
fn alike(cells: &[Cell]) -> impl Iterator<Item = [&Cell; 2]> {
    let same = |first: &Cell, second: &Cell| {
        first.preset.is_some() && (first.preset, &first.kept) == (second.preset, &second.kept)
    };
    cells.windows(2).filter(move |pair| same(&pair[0], &pair[1])).map(|pair| [&pair[0], &pair[1]])
}

fn row(cell: &Cell) -> String {
    let share = 100.0 * cell.parameters as f64 / cell.parameters_dense as f64;
    let kept: Vec<String> = cell.kept.iter().map(ToString::to_string).collect();
    let dense = cell.preset.is_none();
    let or_nothing = |text: String| if dense { String::new() } else { text };
    format!(
        "| {} | {} | {} | {share:.1}% | {} | {} | {:.2} | {:.2} | {} | {} |",
        cell.name(),
        or_nothing(cell.ratio.to_string()),
        grouped(cell.parameters),
        kept.join(", "),
        or_nothing(grouped(cell.training_tokens)),
        cell.seen.perplexity,
        cell.unseen.perplexity,
        or_nothing(format!("{:.1}", cell.seconds / 60.0)),
        cell.peak_bytes.map_or(String::new(), |bytes| format!("{:.2}", bytes as f64 / (1u64 << 30) as f64)),
    )
}

fn footnote(comparison: &Comparison, dense: &Cell) -> String {
    let text = |name: &str, report: &dress_eval::PerplexityReport| {
        let data = &report.data;
        format!("{name}: `{}`, {} blocks of {} tokens", data.path, data.blocks, data.seqlen)
    };
    let calibration = comparison.cells.iter().find_map(|cell| cell.calibration.as_ref());
    let calibrated = calibration.map_or(String::new(), |data| {
        format!("; calibration: `{}`, {} blocks of {} tokens", data.path, data.blocks, data.seqlen)
    });
    format!(
        "Ratios of {}. {}; {}{calibrated}. {} on {}, dress {}. Minutes and peak memory are those of the method, each \
         in a process of its own, loading included in the memory; evaluation is in neither.",
        comparison.by,
        text("Seen", &dense.seen),
        text("unseen", &dense.unseen),
        dense.dtype,
        dense.device,
        dense.dress_version
    )
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
