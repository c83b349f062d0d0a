//! `dress prune` of which one layer at a time is in memory.

use super::by_parts_args::{ByParts, not_by_parts};
use super::join::Join;
use super::prune::Prune;
use super::size_warnings::{warn_of_loss, warn_of_rounding};
use super::watched::{add_the_rest, or_nothing_left, watched};
use crate::interrupted_run::explain_interrupt;
use crate::{Error, Output, PlaceLock, check_place, command_line};
use dress::{PartFile, PruneByParts, check_layers};
use dress_core::CausalLm;
use dress_models::checkpoint::{OutputError, check_output};
use dress_train::RunDirectory;
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

impl Prune {
    /// Prunes with one layer in memory: to a checkpoint, or some layers to a part of one.
    pub(super) fn run_by_parts(mut self, by_parts: &ByParts, began: Instant) -> Result<(), Error> {
        self.check_measures_nothing()?;
        let count = self.checkpoint.declared().num_layers();
        let layers = by_parts.layers.clone().unwrap_or(0..count);
        check_layers(&layers, count)?;
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        let directory = self.directory_of(by_parts)?;
        directory.clear_unfinished();
        self.keep_in(&directory);
        let job = self.run.job(&self.checkpoint)?;
        let calibration = self.run.blocks(&self.checkpoint)?;
        let dense = self.checkpoint.declared();
        let rounded = warn_of_rounding(&job.resolved, dense)?;
        explain_interrupt(&directory);
        let join = self.join_of(&directory);
        let done = watched(self.tensorboard.as_ref(), |progress| {
            let run = PruneByParts::new(&job, &calibration, by_parts.streams.clone(), progress)?;
            warn_of_loss(dense, &run.plan().selection, &job.resolved);
            run.run(layers.clone(), &directory, Some(command_line()), progress)?;
            match by_parts.layers {
                Some(_) => Ok(None),
                None => Ok(Some(join.joined(None, progress)?)),
            }
        });
        let (joined, events) = or_nothing_left(&directory, done)?;
        let Some(joined) = joined else {
            return print_part(&self.output, &layers, &self.out, began);
        };
        add_the_rest(events, &joined.result.result.report.curve, &joined.result.result.quality);
        directory.remove();
        join.print(&joined, &rounded, began)
    }

    /// Refuses to measure the loss, which needs whole models.
    fn check_measures_nothing(&self) -> Result<(), Error> {
        let remedy = "leave it out, and measure the result with dress eval";
        match (self.quality.validate.is_empty(), self.quality.hold_back) {
            (false, _) => Err(not_by_parts("--validate", remedy)),
            (true, Some(1..)) => Err(not_by_parts("--hold-back", remedy)),
            _ => Ok(()),
        }
    }

    /// Where layers are kept as they finish, once it is known that the result can be put in its place.
    fn directory_of(&self, by_parts: &ByParts) -> Result<RunDirectory, Error> {
        if by_parts.layers.is_some() {
            check_part_place(&self.out, self.force)?;
            return Ok(RunDirectory::at(&self.out));
        }
        check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
        Ok(RunDirectory::beside(&self.out))
    }

    /// What puts the layers in `directory` together.
    fn join_of(&self, directory: &RunDirectory) -> Join {
        Join {
            model: self.model.clone(),
            checkpoint: self.checkpoint.clone(),
            parts: vec![directory.path().into()],
            out: self.out.clone(),
            force: self.force,
            served_by: self.run.recipe.served_by.clone(),
            output: self.output,
        }
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
