//! The options of `dress plot`.

use super::plot::Plot;
use crate::{Error, Output};
use clap::Args;
use std::path::PathBuf;

/// Options of `dress plot`.
#[derive(Debug, Args)]
pub struct PlotArgs {
    /// What to draw: a directory that `dress prune`, `recover` or `eval` wrote, its dress.json, recover.json,
    /// search.json or report.json, or a plan.
    run: PathBuf,
    /// The picture to write: SVG, or with a name that ends with .png, PNG.
    #[arg(long)]
    out: PathBuf,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

impl PlotArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        Plot { run: self.run, out: self.out, force: self.force, output: Output::new(self.json) }.draw()
    }
}
