//! What a long command would do, without doing it.

use super::common_args::HOW_IT_RUNS;
use super::inspect::engines_in_short;
use super::quality::percent;
use super::selection_table::SelectionTable;
use crate::{Error, Output, Table, line_width, stored_bytes};
use clap::Args;
use dress::Estimate;
use dress_core::{CausalLm, Selection, parameters};
use dress_engines::{EngineFormat, EngineTable, ModelShape, ServedReport};
use dress_eval::report::grouped;
use dress_study::RehearsedCells;
use serde_json::json;
use std::path::Path;

/// The format that is said of beside every engine's usual one.
const QUANTIZED: &str = "llama.cpp:q4_k_m";

/// Whether a command only says what it would do.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct DryRunArgs {
    /// Say what would come of it, and what it would take by a run on a few blocks: shapes, parameters, bytes,
    /// memory, minutes and what engines will make of it. Nothing is written.
    #[arg(long, help_heading = HOW_IT_RUNS)]
    pub(super) dry_run: bool,
}

/// What a command would do.
pub(super) struct DryRun {
    /// What would go, where that is known.
    pub taken: Option<SelectionTable>,
    /// Parameters before and after, where anything changes.
    pub parameters: Option<[u64; 2]>,
    /// Bytes of the files' weights before and after.
    pub bytes: Option<[u64; 2]>,
    /// What engines will make of the result.
    pub served: Vec<ServedReport>,
    /// What it would take, where that was measured.
    pub estimate: Option<Estimate>,
    /// What the estimate is from, or why there is none.
    pub rehearsed: String,
}

impl DryRun {
    /// Of a command that makes no other model.
    pub fn of_work(estimate: impl Into<Option<Estimate>>, rehearsed: String) -> Self {
        let estimate = estimate.into();
        Self { taken: None, parameters: None, bytes: None, served: Vec::new(), estimate, rehearsed }
    }

    /// Of a command that selects from the checkpoint at `path`, which `dense` declares.
    ///
    /// # Errors
    /// Those of reading the files and of [`SelectionTable::of`].
    pub fn of_selection<M: CausalLm>(
        path: &Path,
        dense: &M,
        selection: &Selection,
        formats: &[EngineFormat],
        estimate: impl Into<Option<Estimate>>,
        rehearsed: String,
    ) -> Result<Self, Error> {
        let taken = SelectionTable::of(dense, selection)?;
        let stored = stored_bytes(path)?;
        let shape = ModelShape::of(dense).stored_in(stored).sliced(selection);
        let counts = taken.parameters;
        let whole = Self { taken: Some(taken), ..Self::of_work(estimate, rehearsed) };
        whole.with_shape(stored, &shape, counts, formats)
    }

    /// Of a command that makes `made` of the checkpoint at `path`, which `dense` declares.
    ///
    /// # Errors
    /// Those of reading the files and of [`SelectionTable::of`].
    pub fn of_model<M: CausalLm>(
        path: &Path,
        [dense, made]: [&M; 2],
        selection: Option<&Selection>,
        formats: &[EngineFormat],
        estimate: Estimate,
        rehearsed: String,
    ) -> Result<Self, Error> {
        let taken = selection.map(|selection| SelectionTable::of(dense, selection)).transpose()?;
        let counts = [dense, made].map(parameters::count);
        let stored = stored_bytes(path)?;
        let shape = ModelShape::of(made).stored_in(stored);
        Self { taken, ..Self::of_work(estimate, rehearsed) }.with_shape(stored, &shape, counts, formats)
    }

    /// With the sizes of a model whose files have `stored` bytes a number.
    fn with_shape(
        self,
        stored: usize,
        shape: &ModelShape,
        parameters: [u64; 2],
        formats: &[EngineFormat],
    ) -> Result<Self, Error> {
        let usual = if formats.is_empty() { usual_formats()? } else { Vec::new() };
        Ok(Self {
            parameters: Some(parameters),
            bytes: Some(parameters.map(|count| count * stored as u64)),
            served: formats.iter().chain(&usual).map(|format| ServedReport::of(format, shape)).collect(),
            ..self
        })
    }

    /// Prints it.
    ///
    /// # Errors
    /// Those of [`Output::print`].
    pub fn print(&self, output: Output) -> Result<(), Error> {
        let report = json!({
            "dry_run": true,
            "parameters": self.parameters,
            "bytes": self.bytes,
            "served": self.served,
            "estimate": self.estimate,
        });
        output.print(&report, || self.text())
    }

    fn text(&self) -> String {
        let mut text = String::from("dry run: nothing is written\n\n");
        if let Some(taken) = &self.taken {
            text += &format!("{taken}\n");
        }
        let mut table = Table::new(&["", "before", "after", "difference"]);
        let mut row = |name: &str, [before, after]: [u64; 2], write: &dyn Fn(u64) -> String| {
            table.row(&[name.into(), write(before), write(after), percent([before, after])]);
        };
        if let Some(parameters) = self.parameters {
            row("parameters", parameters, &grouped);
        }
        if let Some(bytes) = self.bytes {
            row("bytes as stored", bytes, &|bytes| format!("{:.1} MB", bytes as f64 / 1e6));
            text += &format!("{table}\n");
        }
        text += &match &self.estimate {
            Some(estimate) => estimate_text(estimate, &self.rehearsed),
            None => self.rehearsed.clone(),
        };
        text + &engines_in_short(&self.served, line_width())
    }
}

/// What the work takes, by its stages.
fn estimate_text(estimate: &Estimate, rehearsed: &str) -> String {
    let memory = estimate.peak_bytes;
    let memory = memory.map_or("unknown".into(), |bytes| format!("{:.2} GiB at the peak", gib(bytes)));
    let parts = estimate.stages.iter().map(|stage| format!("{} {}", stage.name, duration(stage.seconds)));
    let parts: Vec<String> = parts.chain([format!("the rest {}", duration(estimate.rest))]).collect();
    format!(
        "memory  {memory}\ntime    {} ({})\n        {rehearsed}",
        duration(estimate.seconds),
        parts.join(", ")
    )
}

/// Prints what the cells of a study take, a row each.
///
/// # Errors
/// Those of [`Output::print`].
pub(super) fn print_cells(rows: &[RehearsedCells], output: Output) -> Result<(), Error> {
    let all: f64 = rows.iter().map(|row| row.cells as f64 * row.estimate.seconds).sum();
    let peak = rows.iter().filter_map(|row| row.estimate.peak_bytes).max();
    let report = json!({ "dry_run": true, "rows": rows, "seconds": all, "peak_bytes": peak });
    output.print(&report, || {
        let mut table = Table::new(&["row", "cells", "time each"]);
        for row in rows {
            table.row(&[row.name.clone(), row.cells.to_string(), duration(row.estimate.seconds)]);
        }
        let memory = peak.map_or(String::new(), |bytes| format!(", {:.2} GiB at the peak", gib(bytes)));
        format!(
            "dry run: nothing is written\n\n{table}\n{} in all{memory}, by a run of each on a few blocks; cells that are there \
             already take no time",
            duration(all)
        )
    })
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1u32 << 30)
}

/// Seconds as people say them.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        few if few < 90.0 => format!("{few:.0} s"),
        some if some < 90.0 * 60.0 => format!("{:.1} min", some / 60.0),
        many => format!("{:.1} h", many / 3600.0),
    }
}

/// Every engine in its usual format, and one that quantizes.
fn usual_formats() -> Result<Vec<EngineFormat>, Error> {
    let table = EngineTable::built_in();
    let mut names: Vec<&str> = table.engines().map(|engine| engine.name.as_str()).collect();
    names.push(QUANTIZED);
    Ok(table.formats(&names)?)
}

/// Blocks that are enough to see what each takes.
pub(super) const FEW: usize = 4;

/// How an estimate came to be.
pub(super) fn on_few_of(few: usize, of: usize) -> String {
    format!("by a run on {few} of {of} blocks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress::StageEstimate;

    #[test]
    fn seconds_are_said_in_what_people_count() {
        assert_eq!([12.4, 150.0, 9000.0].map(duration), ["12 s", "2.5 min", "2.5 h"]);
    }

    #[test]
    fn an_estimate_is_said_by_its_stages() {
        let stages = vec![StageEstimate { name: "training".into(), seconds: 240.0 }];
        let estimate = Estimate { seconds: 252.0, stages, rest: 12.0, peak_bytes: Some(3 << 29) };
        let dry = DryRun::of_work(estimate, on_few_of(5, 64));
        let text = dry.text();
        for says in ["nothing is written", "1.50 GiB", "4.2 min (training 4.0 min, the rest 12 s)", "5 of 64"]
        {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(!text.contains("before"), "there is no other model: {text}");
    }

    #[test]
    fn every_engine_is_asked_and_one_that_quantizes() {
        let formats = usual_formats().unwrap();
        assert!(formats.len() > 10 && formats.iter().any(|format| format.to_string() == QUANTIZED));
    }
}
