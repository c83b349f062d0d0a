//! Going over cells, of which some are there already.

use super::{CellStore, Finished};
use crate::Error;

/// A cell that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What people are told that it is.
    pub name: String,
    /// What its file is called, beside its key.
    pub file: String,
    /// The hash of all that its result depends on.
    pub key: String,
}

/// How far a study is when a cell begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Cells that were measured before this one, of those that were missing.
    pub done: usize,
    /// Cells that were missing.
    pub missing: usize,
}

/// Gives `then` every cell in order, those that `store` lacks after `measure` has put them there; nothing where that failed,
/// which `measure` says. Returns how many were there already.
///
/// # Errors
/// Those of `then` and of [`CellStore::get`].
pub fn each_cell<C: Finished>(
    wanted: &[Wanted],
    store: &CellStore,
    mut measure: impl FnMut(&Wanted, Turn) -> bool,
    mut then: impl FnMut(&Wanted, Option<C>) -> Result<(), Error>,
) -> Result<usize, Error> {
    let there = |cell: &Wanted| store.get::<C>(&cell.file, &cell.key);
    let mut missing = 0;
    for cell in wanted {
        missing += usize::from(there(cell)?.is_none());
    }
    let mut done = 0;
    for cell in wanted {
        if let Some(found) = there(cell)? {
            tracing::info!("{} is there already", cell.name);
            then(cell, Some(found))?;
        } else {
            tracing::info!("{} begins", cell.name);
            let measured = if measure(cell, Turn { done, missing }) { there(cell)? } else { None };
            done += 1;
            then(cell, measured)?;
        }
    }
    Ok(wanted.len() - missing)
}

/// Whether a cell was measured; where it was not, why is logged.
pub(crate) fn succeeded(cell: &Wanted, measured: Result<(), Error>) -> bool {
    if let Err(error) = &measured {
        tracing::warn!("{} failed: {error}", cell.name);
    }
    measured.is_ok()
}
