//! The table of an ablation.

use super::{Ablation, Row, Spread, Summary};
use crate::kept_cells::measured_on;
use dress_eval::report::{grouped, markdown_code, markdown_text};
use std::fmt::Write;

/// A Markdown table, a row a combination of settings, with what it was measured on below. The row with the
/// lowest perplexity is in bold.
pub fn markdown(ablation: &Ablation) -> String {
    let columns = columns(ablation);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(columns.iter().map(|column| column.name.into()).collect());
    // The first column is words, and all others are numbers.
    let _ = writeln!(text, "|---|{}", "---:|".repeat(columns.len() - 1));
    for row in &ablation.rows {
        text += &line(columns.iter().map(|column| (column.of)(ablation, row)).collect());
    }
    if let Some(below) = below(ablation) {
        let _ = writeln!(text, "\n{below}");
    }
    text
}

struct Column {
    name: &'static str,
    of: fn(&Ablation, &Row) -> String,
}

fn columns(ablation: &Ablation) -> Vec<Column> {
    let unseen = ablation.rows.iter().any(|row| row.cells.iter().any(|cell| cell.measured.unseen.is_some()));
    let all = [
        Column { name: "settings", of: |ablation, row| marked(ablation, row, markdown_text(&row.name)) },
        Column { name: "seeds", of: |_, row| if row.is_dense() { String::new() } else { seeds(row) } },
        Column { name: "parameters", of: |_, row| figure(row, |of| Some(of.parameters), whole) },
        Column {
            name: "perplexity",
            of: |ablation, row| marked(ablation, row, figure(row, |of| Some(of.seen), hundredths)),
        },
        Column { name: "perplexity, unseen", of: |_, row| figure(row, |of| of.unseen, hundredths) },
        Column { name: "to base", of: |_, row| figure(row, |of| of.to_base, |ratio| format!("{ratio:.3}")) },
        Column {
            name: "slicing error",
            of: |_, row| figure(row, |of| of.slicing_error, |error| format!("{error:.1e}")),
        },
        Column { name: "minutes", of: |_, row| pruned(row, |of| Some(of.minutes), hundredths) },
        Column { name: "peak MiB", of: |_, row| figure(row, |of| of.peak_mib, whole) },
        Column { name: "tokens/s", of: |_, row| figure(row, |of| of.tokens_per_second, whole) },
    ];
    all.into_iter().filter(|column| unseen || column.name != "perplexity, unseen").collect()
}

fn marked(ablation: &Ablation, row: &Row, text: String) -> String {
    if ablation.best.as_ref() == Some(&row.name) { format!("**{text}**") } else { text }
}

fn seeds(row: &Row) -> String {
    match row.cells.len() {
        0 => "none finished".into(),
        count => count.to_string(),
    }
}

fn figure(row: &Row, of: fn(&Summary) -> Option<Spread>, write: fn(f64) -> String) -> String {
    row.summary.as_ref().and_then(of).map_or(String::new(), |spread| spread.text(write))
}

fn pruned(row: &Row, of: fn(&Summary) -> Option<Spread>, write: fn(f64) -> String) -> String {
    if row.is_dense() { String::new() } else { figure(row, of, write) }
}

fn whole(value: f64) -> String {
    grouped(value.round() as u64)
}

fn hundredths(value: f64) -> String {
    format!("{value:.2}")
}

fn below(ablation: &Ablation) -> Option<String> {
    let any = ablation.rows.iter().flat_map(|row| &row.cells).next()?;
    let calibration =
        ablation.rows.iter().flat_map(|row| &row.cells).find_map(|cell| cell.measured.calibration.as_ref());
    let varied = match ablation.base_of_varied.as_slice() {
        [] => String::new(),
        varied => format!(", with {}", markdown_text(&varied.join(", "))),
    };
    let many = match ablation.seeds.as_slice() {
        [seed] => format!(" Seed {seed}."),
        seeds => {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            format!(
                " Figures are means over the seeds {}, with the least and the greatest where they differ; what is to the base is to that of the same seed.",
                seeds.join(", ")
            )
        }
    };
    Some(format!(
        "The base is {}{varied}; rows are in the order asked for.{many}{} {}",
        markdown_code(&ablation.base),
        verdict(ablation).unwrap_or_default(),
        measured_on(&any.measured, calibration)
    ))
}

/// Whether the best row is better than the base whatever the seed.
fn verdict(ablation: &Ablation) -> Option<String> {
    let best = ablation.row(ablation.best.as_ref()?)?;
    if best.name == Ablation::BASE || best.cells.len() < 2 {
        return None;
    }
    let with = if best.summary.as_ref()?.to_base?.greatest < 1.0 { "every seed" } else { "some seeds alone" };
    Some(format!(" The best row is better than the base with {with}."))
}
