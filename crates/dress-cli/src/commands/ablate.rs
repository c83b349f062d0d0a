//! `dress ablate`.

use super::cell_process::{StudyLock, measure_in_a_process};
use super::dry_run::print_cells;
use crate::interrupted_run::explain_interrupt;
use crate::{Error, Output, shown_progress};
use dress_study::ablation::{AblationCell, AblationStudy, PlannedCell, markdown};
use std::ffi::OsString;
use std::path::PathBuf;

/// What `dress ablate` does: the whole study, or one cell of it in this process.
#[derive(Debug)]
pub(super) struct Ablate {
    /// The study.
    pub study: AblationStudy,
    /// The key of the cell that this process measures, where it is one of those that the command starts.
    pub cell: Option<String>,
    /// Whether cells are measured that are there already.
    pub anew: bool,
    /// How the result is reported.
    pub output: Output,
}

impl Ablate {
    pub fn run(self) -> Result<(), Error> {
        // What cannot be is refused before any work.
        let planned = self.study.planned()?;
        let store = self.study.store()?;
        let lock = match &self.cell {
            Some(key) => StudyLock::of_cell(&self.locked(key))?,
            None => StudyLock::take(self.study.directory())?,
        };
        match &self.cell {
            Some(key) => {
                let cell = planned.iter().find(|cell| cell.key() == key);
                let cell = cell.ok_or_else(|| dress_study::Error::CellName { name: key.clone() })?;
                let file = cell.wanted().file;
                if store.get::<AblationCell>(&file, key)?.is_some() {
                    // Another process had it until now.
                    return Ok(());
                }
                if let Some(directory) = cell.run_directory() {
                    explain_interrupt(directory);
                }
                let measured = self.study.measure(cell, &shown_progress())?;
                Ok(store.put(&file, &measured)?)
            }
            // Whoever comes later would forget what the first has measured anew.
            None => self.all(&planned, self.anew && lock.is_first),
        }
    }

    /// Says what the study would take, and writes nothing.
    pub fn dry_run(self) -> Result<(), Error> {
        print_cells(&self.study.rehearse(&shown_progress())?, self.output)
    }

    /// What is locked while a cell is measured.
    fn locked(&self, key: &str) -> PathBuf {
        self.study.directory().join("cells").join(key)
    }

    fn all(&self, planned: &[PlannedCell], anew: bool) -> Result<(), Error> {
        let measure = measure_in_a_process(|cell| OsString::from(&cell.key), |cell| self.locked(&cell.key));
        let ablation = self.study.run(planned, anew, measure)?;
        let (reused, all, out) = (ablation.reused, planned.len(), self.study.directory());
        self.output.print(&ablation, || {
            let table = markdown(&ablation);
            format!("{table}\n{reused} of {all} cells were there already; all of it is in {}", out.display())
        })?;
        match ablation.failed.is_empty() {
            true => Ok(()),
            false => Err(Error::CellsFailed { cells: ablation.failed, path: out.into() }),
        }
    }
}
