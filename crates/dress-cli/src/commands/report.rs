//! `dress report`.

use crate::evaluation::{read_report, write_report};
use crate::{Error, Output, PlaceLock};
use dress_eval::report::{Report, markdown};
use serde_json::json;
use std::path::PathBuf;

/// What `dress report` does.
#[derive(Debug)]
pub(super) struct JoinedReport {
    /// The reports, in the order in which they are shown.
    pub runs: Vec<PathBuf>,
    /// A directory for the joined report; without it, Markdown goes to standard output.
    pub out: Option<PathBuf>,
    /// What stands above the page.
    pub title: String,
    /// How the result is reported.
    pub output: Output,
}

impl JoinedReport {
    pub fn run(self) -> Result<(), Error> {
        let reports = self.runs.iter().map(|run| read_report(run)).collect::<Result<Vec<_>, _>>()?;
        let report = Report::join(reports);
        let output = self.output;
        let Some(directory) = &self.out else {
            output.print(&report, || markdown(&report))?;
            return Ok(());
        };
        let _lock = PlaceLock::take(directory)?;
        let paths = write_report(directory, &report, &self.title)?;
        let page = directory.join("report.html").display().to_string();
        let written = json!({ "models": report.models.len(), "files": paths });
        output.print(&written, || format!("{} models, written to {page}", report.models.len()))?;
        Ok(())
    }
}
