//! A cell of a study in a process of its own, so that its peak memory is its own.

use crate::{Error, PlaceLock, signals};
use dress_study::kept_cells::{Outcome, Turn, Wanted};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The lock of a place where a study's results go.
pub(super) struct StudyLock {
    _lock: Option<PlaceLock>,
    /// Whether no other process has it, on this machine or on another that shares the storage. With one that
    /// has it the cells are shared out.
    pub is_first: bool,
}

impl StudyLock {
    /// Takes the lock of a study in `out`, if it is to be had.
    ///
    /// # Errors
    /// Those of [`PlaceLock::take`], but for a place that another process has.
    pub fn take(out: &Path) -> Result<Self, Error> {
        match PlaceLock::take(out) {
            Err(Error::Locked { process, .. }) => {
                let out = out.display();
                tracing::info!("process {process} works in {out} too; cells that it has are waited for");
                Ok(Self { _lock: None, is_first: false })
            }
            lock => Ok(Self { _lock: lock?, is_first: true }),
        }
    }

    /// Takes the lock of one cell's place.
    ///
    /// # Errors
    /// Those of [`PlaceLock::take`].
    pub fn of_cell(place: &Path) -> Result<Self, Error> {
        Ok(Self { _lock: PlaceLock::take(place)?, is_first: true })
    }
}

/// Measures cells by this same command with `--cell`, to which `argument` says which cell it is; the process
/// of each takes the lock of the place that `locked` says. On a terminal it says what runs and how long the
/// rest will take.
pub(super) fn measure_in_a_process(
    argument: impl Fn(&Wanted) -> OsString,
    locked: impl Fn(&Wanted) -> PathBuf,
) -> impl FnMut(&Wanted, Turn) -> Outcome {
    let began = Instant::now();
    move |cell, turn| {
        if matches!(PlaceLock::take(&locked(cell)), Err(Error::Locked { .. })) {
            return Outcome::Held;
        }
        say(&cell.name, turn, began);
        in_a_process(&cell.name, argument(cell))
    }
}

/// What runs now, where somebody looks.
fn say(name: &str, Turn { done, missing }: Turn, began: Instant) {
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

/// Runs this same command with `--cell`, and says what came of it.
fn in_a_process(name: &str, cell: OsString) -> Outcome {
    let arguments = std::env::args_os().skip(1).chain(["--cell".into(), cell]);
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
        Ok(status) if status.success() => return Outcome::Measured,
        // Another process was faster.
        Ok(status) if status.code() == Some(Error::LOCKED.into()) => return Outcome::Held,
        Ok(status) => tracing::warn!("{name} failed: {status}"),
        Err(error) => tracing::warn!("{name} could not be started: {error}"),
    }
    Outcome::Failed
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
