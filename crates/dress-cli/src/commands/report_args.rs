//! The options of `dress report`.

use super::report::JoinedReport;
use crate::{Error, Output};
use clap::Args;
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
        let output = Output::new(self.json);
        JoinedReport { runs: self.runs, out: self.out, title: self.title, output }.run()
    }
}
