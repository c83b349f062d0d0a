//! Going over cells, of which some are there already.

use super::{CellStore, Finished};
use crate::Error;
use std::collections::BTreeSet;
use std::time::Duration;

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

/// What came of a cell that was to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the store.
    Measured,
    /// It could not be measured, which was said.
    Failed,
    /// Another process has it, on this machine or on another that shares the store.
    Held,
}

/// How long a cell that another process has is left alone before it is looked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Gives `then` every cell in order, those that `store` lacks after `measure` has put them there; nothing
/// where that failed, which `measure` says. A cell that another process has is waited for, and what comes
/// after it is measured meanwhile. Returns how many were there already.
///
/// # Errors
/// Those of `then` and of [`CellStore::get`].
pub fn each_cell<C: Finished>(
    wanted: &[Wanted],
    store: &CellStore,
    measure: impl FnMut(&Wanted, Turn) -> Outcome,
    mut then: impl FnMut(&Wanted, Option<C>) -> Result<(), Error>,
) -> Result<usize, Error> {
    let mut missing = 0;
    for cell in wanted {
        missing += usize::from(store.get::<C>(&cell.file, &cell.key)?.is_none());
    }
    let mut measuring = Measuring { measure, turn: Turn { done: 0, missing }, failed: BTreeSet::new() };
    for (index, cell) in wanted.iter().enumerate() {
        let there = |cell: &Wanted| store.get::<C>(&cell.file, &cell.key);
        let found = loop {
            if let Some(found) = there(cell)? {
                tracing::info!("{} is there", cell.name);
                break Some(found);
            }
            match measuring.try_once(cell) {
                Outcome::Measured => break there(cell)?,
                Outcome::Failed => break None,
                Outcome::Held if measuring.any_of(&wanted[index + 1..], there)? => {}
                Outcome::Held => std::thread::sleep(PAUSE),
            }
        };
        then(cell, found)?;
    }
    Ok(wanted.len() - missing)
}

/// Cells on their way.
struct Measuring<F> {
    measure: F,
    turn: Turn,
    /// The keys of those that failed, which are not tried again.
    failed: BTreeSet<String>,
}

impl<F: FnMut(&Wanted, Turn) -> Outcome> Measuring<F> {
    fn try_once(&mut self, cell: &Wanted) -> Outcome {
        if self.failed.contains(&cell.key) {
            return Outcome::Failed;
        }
        tracing::info!("{} begins", cell.name);
        let outcome = (self.measure)(cell, self.turn);
        match outcome {
            Outcome::Held => tracing::info!("{} is another process's", cell.name),
            Outcome::Measured | Outcome::Failed => {
                self.turn.done = (self.turn.done + 1).min(self.turn.missing)
            }
        }
        if outcome == Outcome::Failed {
            self.failed.insert(cell.key.clone());
        }
        outcome
    }

    /// Measures the first of some cells that is neither there nor anybody's; whether there was one.
    fn any_of<C>(
        &mut self,
        cells: &[Wanted],
        there: impl Fn(&Wanted) -> Result<Option<C>, Error>,
    ) -> Result<bool, Error> {
        for cell in cells {
            let open = !self.failed.contains(&cell.key) && there(cell)?.is_none();
            if open && self.try_once(cell) != Outcome::Held {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What came of a cell; where it was not measured, why is logged.
pub(crate) fn outcome_of(cell: &Wanted, measured: Result<(), Error>) -> Outcome {
    match measured {
        Ok(()) => Outcome::Measured,
        Err(error) => {
            tracing::warn!("{} failed: {error}", cell.name);
            Outcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Small {
        schema: u32,
        key: String,
    }

    impl Finished for Small {
        const SCHEMA: u32 = 1;

        fn schema(&self) -> u32 {
            self.schema
        }

        fn key(&self) -> &str {
            &self.key
        }
    }

    #[test]
    fn a_cell_that_another_has_is_waited_for_and_not_measured_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = CellStore::open(directory.path()).unwrap();
        let names = ["held", "open", "fails", "dropped"];
        let wanted = names.map(|name| Wanted { name: name.into(), file: name.into(), key: name.repeat(20) });
        let put = |cell: &Wanted| store.put(&cell.file, &Small { schema: 1, key: cell.key.clone() }).unwrap();
        let (mut asked, mut then) = (Vec::new(), Vec::new());
        let reused = each_cell::<Small>(
            &wanted,
            &store,
            |cell, _| {
                asked.push(cell.name.clone());
                let times = asked.iter().filter(|name| **name == cell.name).count();
                match cell.name.as_str() {
                    // Its holder comes to its end while it is waited for.
                    "held" if times == 3 => {
                        put(cell);
                        Outcome::Held
                    }
                    "held" => Outcome::Held,
                    // Its holder dies.
                    "dropped" if times == 1 => Outcome::Held,
                    "fails" => Outcome::Failed,
                    _ => {
                        put(cell);
                        Outcome::Measured
                    }
                }
            },
            |cell, found| {
                then.push((cell.name.clone(), found.is_some()));
                Ok(())
            },
        );
        assert_eq!(reused.unwrap(), 0);
        let expected = [("held", true), ("open", true), ("fails", false), ("dropped", true)];
        assert_eq!(then, expected.map(|(name, there)| (name.to_string(), there)));
        assert_eq!(asked.iter().filter(|name| *name == "fails").count(), 1, "{asked:?}");
        assert_eq!(asked.iter().filter(|name| *name == "open").count(), 1, "{asked:?}");
        assert_eq!(asked[..2], ["held", "open"]);
    }
}
