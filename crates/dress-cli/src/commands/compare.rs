//! `dress compare`.

use super::cell_process::{StudyLock, measure_in_a_process};
use super::dry_run::print_cells;
use crate::interrupted_run::explain_interrupt;
use crate::{Error, Output, shown_progress};
use dress_study::EvaluatedText;
use dress_study::comparison::{Cell, CellId, ComparisonStudy, markdown};
use dress_study::kept_cells::CellStore;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `dress compare` does: the whole study, or one cell of it in this process.
#[derive(Debug)]
pub(super) struct Compare {
    /// The study.
    pub study: ComparisonStudy,
    /// The cell that this process measures, where it is one of those that the command starts.
    pub cell: Option<CellId>,
    /// How the result is reported.
    pub output: Output,
}

impl Compare {
    pub fn run(self) -> Result<(), Error> {
        let store = self.study.store()?;
        let _lock = match self.cell {
            Some(id) => StudyLock::of_cell(&self.locked(&id.file()))?,
            None => StudyLock::take(self.study.directory())?,
        };
        match self.cell {
            // Another process had it until now.
            Some(id) if self.is_there(id, &store)? => Ok(()),
            Some(id) => {
                if id.trains() {
                    explain_interrupt(&self.study.run_directory(id));
                }
                Ok(store.put(&id.file(), &self.study.measure(id, &shown_progress())?)?)
            }
            None => self.all(),
        }
    }

    /// Says what the study would take, and writes nothing.
    pub fn dry_run(self) -> Result<(), Error> {
        // What cannot be is refused before any work.
        self.study.wanted()?;
        print_cells(&self.study.rehearse(&shown_progress())?, self.output)
    }

    fn is_there(&self, id: CellId, store: &CellStore) -> Result<bool, Error> {
        let key = self.study.key(id)?.hash();
        Ok(store.get::<Cell>(&id.file(), &key)?.is_some())
    }

    /// What is locked while a cell is measured.
    fn locked(&self, file: &str) -> PathBuf {
        self.study.directory().join("cells").join(file)
    }

    fn all(&self) -> Result<(), Error> {
        // What cannot be is refused before any work.
        let wanted = self.study.wanted()?;
        for text in self.study.calibrated_on()? {
            let option = if text == EvaluatedText::Seen { "--data" } else { "--unseen" };
            tracing::warn!(
                "{option} is the text of --calibration: its perplexity says nothing of other texts"
            );
        }
        let measure = measure_in_a_process(|cell| OsString::from(&cell.name), |cell| self.locked(&cell.file));
        let (comparison, reused) = self.study.run(&wanted, measure)?;
        let (table, out) = (markdown(&comparison), self.study.directory());
        self.output.print(&comparison, || {
            format!(
                "{table}\n{reused} of {} cells were there already; all of it is in {}",
                wanted.len(),
                out.display()
            )
        })?;
        match comparison.failed.is_empty() {
            true => Ok(()),
            false => Err(Error::CellsFailed { cells: comparison.failed, path: out.into() }),
        }
    }
}
