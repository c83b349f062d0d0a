//! `dress prune` of which one layer at a time is in memory, and `dress join`.

use super::by_parts_args::ByParts;
use super::prune::Prune;
use super::served_by_args::warn_of_loss;
use crate::interrupted_run::explain_interrupt;
use crate::{Error, Output, PlaceLock, TerminalProgress, check_place, command_line};
use dress::{Joined, PartFile, PruneByParts};
use dress_core::CausalLm;
use dress_models::Checkpoint;
use dress_models::checkpoint::{OutputError, check_output};
use dress_train::RunDirectory;
use serde_json::json;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl Prune {
    /// Prunes with one layer in memory: to a checkpoint, or some layers to a part of one.
    pub(super) fn run_by_parts(mut self, by_parts: &ByParts, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        let directory = match &by_parts.layers {
            Some(_) => {
                check_part_place(&self.out, self.force)?;
                RunDirectory::at(&self.out)
            }
            None => {
                check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
                RunDirectory::beside(&self.out)
            }
        };
        directory.clear_unfinished();
        self.keep_in(&directory);
        let job = self.run.job(&self.checkpoint)?;
        let calibration = self.run.blocks(&self.checkpoint)?;
        explain_interrupt(&directory);
        let progress = TerminalProgress::default();
        let run = PruneByParts::new(&job, &calibration, by_parts.streams.clone(), &progress)?;
        warn_of_loss(self.checkpoint.declared(), &run.plan().selection, &self.run.recipe.served_by);
        let all = 0..self.checkpoint.declared().num_layers();
        let layers = by_parts.layers.clone().unwrap_or(all);
        run.run(layers.clone(), &directory, Some(command_line()), &progress)?;
        if by_parts.layers.is_some() {
            return print_part(&self.output, &layers, &self.out, began);
        }
        let parts = [directory.path().to_path_buf()];
        let joined = dress::join(&self.checkpoint, &parts, &self.out, self.force, None, &progress)?;
        directory.remove();
        print_joined(&self.output, &joined, &self.out, began)
    }
}

/// A part goes where nothing is, or on where it was begun.
fn check_part_place(out: &Path, force: bool) -> Result<(), Error> {
    let is_empty = std::fs::read_dir(out).map_or(!out.exists(), |mut entries| entries.next().is_none());
    match PartFile::read(out) {
        _ if is_empty => Ok(()),
        Ok(_) => Ok(()),
        // What a killed part leaves before anything else is its file, so that other files are somebody else's.
        Err(_) if force && RunDirectory::at(out).part().exists() => Ok(()),
        Err(_) => Err(dress_models::Error::Output(OutputError::Exists { path: out.into() }).into()),
    }
}

fn print_part(output: &Output, layers: &Range<usize>, out: &Path, began: Instant) -> Result<(), Error> {
    let seconds = began.elapsed().as_secs_f64();
    let report = json!({
        "layers": [layers.start, layers.end],
        "seconds": seconds,
        "out": out.display().to_string(),
    });
    output.print(&report, || {
        format!(
            "layers {} to {} in {seconds:.0} s, kept in {}; `dress join` puts the parts together",
            layers.start,
            layers.end - 1,
            out.display()
        )
    })
}

fn print_joined(output: &Output, joined: &Joined, out: &Path, began: Instant) -> Result<(), Error> {
    let (result, seconds) = (&joined.result.result, began.elapsed().as_secs_f64());
    let report = json!({
        "parameters_before": result.parameters_before,
        "parameters": result.parameters,
        "bytes": joined.saved.bytes,
        "seconds": seconds,
        "plan": out.join("plan.json").display().to_string(),
        "out": out.display().to_string(),
        "criterion": result.plan.criterion,
        "fingerprint": result.plan.fingerprint,
        "steps": result.report.curve.len(),
    });
    output.print(&report, || {
        let share = result.parameters as f64 / result.parameters_before as f64 * 100.0;
        format!(
            "{} -> {} parameters ({share:.1}%) in {seconds:.0} s, written to {}",
            result.parameters_before,
            result.parameters,
            out.display()
        )
    })
}

/// What `dress join` does.
#[derive(Debug)]
pub(super) struct Join {
    /// What was pruned.
    pub checkpoint: Checkpoint,
    /// Where the parts are.
    pub parts: Vec<PathBuf>,
    /// Where the smaller checkpoint goes.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// How the result is reported.
    pub output: Output,
}

impl Join {
    /// Joins and saves; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
        let progress = TerminalProgress::default();
        let command = Some(command_line());
        let joined = dress::join(&self.checkpoint, &self.parts, &self.out, self.force, command, &progress)?;
        print_joined(&self.output, &joined, &self.out, began)
    }
}
