//! What goes to standard output: one JSON object, or lines for people.

use serde::Serialize;
use std::io::Write;

/// How a command reports its result.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// One JSON object if `json`, else text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `report` as JSON, or `text`. A reader that has gone away is not an error.
    pub fn print(&self, report: &impl Serialize, text: impl FnOnce() -> String) {
        let line = match self.json {
            true => serde_json::to_string(report).expect("a report is numbers, texts and lists"),
            false => text(),
        };
        let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
    }
}
