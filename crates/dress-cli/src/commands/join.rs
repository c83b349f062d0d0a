//! `dress join`.

use super::next_command::NextCommand;
use super::prune::{kept, kept_text};
use super::quality::{BeforeAndAfter, ServedBytes};
use crate::{Error, Output, PlaceLock, check_place, command_line, name_of, shown_progress};
use dress::Joined;
use dress_core::Progress;
use dress_engines::EngineFormat;
use dress_models::Checkpoint;
use dress_models::checkpoint::check_output;
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// What is said of the loss, which needs whole models.
const NOT_MEASURED: &str = "what it did to the loss was not measured, as one layer at a time was in memory";

/// What `dress join` does.
#[derive(Debug)]
pub(super) struct Join {
    /// What was pruned, as given.
    pub model: PathBuf,
    /// What was pruned.
    pub checkpoint: Checkpoint,
    /// Where the parts are.
    pub parts: Vec<PathBuf>,
    /// Where the smaller checkpoint goes.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// The formats of which bytes are said; usual ones where there are none.
    pub served_by: Vec<EngineFormat>,
    /// How the result is reported.
    pub output: Output,
}

impl Join {
    /// Joins and saves; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        check_place(&self.out)?;
        let _lock = PlaceLock::take(&self.out)?;
        check_output(&self.out, Some(self.checkpoint.path()), self.force)?;
        let joined = self.joined(Some(command_line()), &shown_progress())?;
        self.print(&joined, "", began)
    }

    /// The checkpoint that is made; `command` is the one that it says, where it is not that of the first
    /// part.
    pub fn joined(&self, command: Option<String>, progress: &dyn Progress) -> Result<Joined, Error> {
        Ok(dress::join(&self.checkpoint, &self.parts, &self.out, self.force, command, progress)?)
    }

    /// Says what was made of what, and what `rounded` says of ratios.
    pub fn print(&self, joined: &Joined, rounded: &str, began: Instant) -> Result<(), Error> {
        let (result, seconds) = (&joined.result.result, began.elapsed().as_secs_f64());
        let made = Checkpoint::at(self.out.clone())?;
        let models = [self.checkpoint.declared(), made.declared()];
        let served = ServedBytes::of(self.checkpoint.path(), models, &self.served_by)?;
        let next = NextCommand::eval(&self.out, &self.model, None, None);
        let report = json!({
            "parameters_before": result.parameters_before,
            "parameters": result.parameters,
            "bytes": joined.saved.bytes,
            "seconds": seconds,
            "plan": self.out.join("plan.json").display().to_string(),
            "out": self.out.display().to_string(),
            "criterion": result.plan.criterion,
            "fingerprint": result.plan.fingerprint,
            "kept": kept(&result.plan),
            "steps": result.report.curve.len(),
            "served": served,
            "quality": result.quality,
            "next": next,
        });
        self.output.print(&report, || {
            let both = BeforeAndAfter {
                names: [name_of(&self.model), name_of(&self.out)],
                parameters: [result.parameters_before, result.parameters],
                served: &served,
                quality: &result.quality,
            };
            format!(
                "{} in {seconds:.0} s, written to {}\n{rounded}\n{}\n{}{NOT_MEASURED}\n\nnext: {next}",
                kept_text(&result.plan, self.checkpoint.declared()),
                self.out.display(),
                both.table(),
                both.about_the_engines()
            )
        })
    }
}
