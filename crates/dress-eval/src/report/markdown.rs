//! A report as Markdown.

use super::{Report, markdown_text, tables};

/// The tables of a report.
pub fn markdown(report: &Report) -> String {
    let mut text = String::from("# Evaluation\n");
    for table in tables(report) {
        text.push_str(&format!("\n## {}\n\n{}\n\n", markdown_text(&table.title), table.note));
        text.push_str(&line(&table.header));
        let rule = |column| if table.is_numeric(column) { "---:" } else { "---" };
        let rules: Vec<&str> = (0..table.header.len()).map(rule).collect();
        text.push_str(&format!("| {} |\n", rules.join(" | ")));
        for (index, row) in table.rows.iter().enumerate() {
            let cell = |(column, cell): (usize, &String)| match table.best.contains(&(index, column)) {
                true => format!("**{}**", markdown_text(cell)),
                false => markdown_text(cell),
            };
            let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| markdown_text(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}
