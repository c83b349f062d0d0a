//! A report as Markdown.

use super::{Report, markdown_text, tables};

/// The tables of a report.
pub fn markdown(report: &Report) -> String {
    let mut text = String::from("# Evaluation\n");
    for table in tables(report) {
        text.push_str(&format!("\n## {}\n\n{}\n\n", markdown_text(&table.title), table.note));
        text.push_str(&line(&table.header));
        let rules: Vec<String> =
            (0..table.header.len()).map(|column| if column == 0 { "---" } else { "---:" }.into()).collect();
        text.push_str(&format!("| {} |\n", rules.join(" | ")));
        table.rows.iter().for_each(|row| text.push_str(&line(row)));
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| markdown_text(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}
