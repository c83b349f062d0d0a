//! Running the cells that are not there yet.

use super::{CellStore, Finished};
use crate::{Error, signals};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A cell that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What people are told that it is.
    pub name: String,
    /// What its file is called, beside its key.
    pub file: String,
    /// The hash of all that its result depends on.
    pub key: String,
    /// What `--cell` has to be for this command to run it alone.
    pub cell: String,
}

/// Gives `then` every cell in order, those that `store` lacks measured by this same command with `--cell` in a process of
/// its own; nothing where that failed. Returns how many were there already. On a terminal it says what runs and how long
/// the rest will take.
///
/// # Errors
/// Those of `then` and of [`CellStore::get`].
pub fn each_cell<C: Finished>(
    wanted: &[Wanted],
    store: &CellStore,
    mut then: impl FnMut(&Wanted, Option<C>) -> Result<(), Error>,
) -> Result<usize, Error> {
    let there = |cell: &Wanted| store.get::<C>(&cell.file, &cell.key);
    let mut missing = 0;
    for cell in wanted {
        missing += usize::from(there(cell)?.is_none());
    }
    let (began, mut done) = (Instant::now(), 0);
    for cell in wanted {
        let found = there(cell)?;
        let Some(found) = found else {
            tracing::info!("{} begins", cell.name);
            say(&cell.name, done, missing, began);
            let measured = if in_a_process(cell) { there(cell)? } else { None };
            then(cell, measured)?;
            done += 1;
            continue;
        };
        tracing::info!("{} is there already", cell.name);
        then(cell, Some(found))?;
    }
    Ok(wanted.len() - missing)
}

/// What runs now, where somebody looks.
fn say(name: &str, done: usize, missing: usize, began: Instant) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let left = left(done, missing, began.elapsed().as_secs_f64());
    let left = left.map_or(String::new(), |left| format!("; {left}"));
    crate::tell(&format!("[{} of {missing}] {name}{left}", done + 1));
}

/// How long the rest will take, once there is something to tell it from.
fn left(done: usize, missing: usize, seconds: f64) -> Option<String> {
    let each = (done > 0).then(|| seconds / done as f64)?;
    let left = each * (missing - done) as f64;
    Some(match left {
        short if short < 90.0 => format!("about {short:.0} s left"),
        long if long < 5400.0 => format!("about {:.0} min left", long / 60.0),
        longer => format!("about {:.1} h left", longer / 3600.0),
    })
}

/// Runs this same command with `--cell`, and says whether it came to its end.
fn in_a_process(cell: &Wanted) -> bool {
    let arguments = std::env::args_os().skip(1).chain(["--cell".into(), OsString::from(&cell.cell)]);
    let started = std::env::current_exe().and_then(|program| {
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        signals::works_in(Some(child.id()));
        let ended = child.wait();
        signals::works_in(None);
        signals::stay_if_ending();
        ended
    });
    match started {
        Ok(status) if status.success() => return true,
        Ok(status) => tracing::warn!("{} failed: {status}", cell.name),
        Err(error) => tracing::warn!("{} could not be started: {error}", cell.name),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_from_what_is_done() {
        assert_eq!(left(0, 4, 10.0), None);
        assert_eq!(left(1, 4, 10.0).unwrap(), "about 30 s left");
        assert_eq!(left(2, 10, 240.0).unwrap(), "about 16 min left");
        assert_eq!(left(1, 4, 3600.0).unwrap(), "about 3.0 h left");
    }
}
