//! `dress report`.

use crate::evaluation::{read_report, write_report};
use crate::{Error, Output, PlaceLock};
use clap::Args;
use dress_eval::report::{Report, markdown};
use serde_json::json;
use std::path::PathBuf;

/// Options of `dress report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Directories that `dress eval --out` wrote, or their report.json, in the order in which they are shown.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// A directory for report.json, report.md and report.html; without it, Markdown goes to standard output.
    #[arg(long)]
    out: Option<PathBuf>,
    /// What stands above the page.
    #[arg(long, default_value = "Evaluation")]
    title: String,
    /// Print one JSON object on standard output: the joined report, or where it was written.
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let reports = self.runs.iter().map(|run| read_report(run)).collect::<Result<Vec<_>, _>>()?;
        let report = Report::join(reports);
        let output = Output::new(self.json);
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
