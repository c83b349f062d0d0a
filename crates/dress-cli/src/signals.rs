//! What the system's signals do.

use crate::tell;
use std::path::PathBuf;
use std::sync::Mutex;

/// The directory of the run that goes on, if one does.
static RUN: Mutex<Option<PathBuf>> = Mutex::new(None);

/// What is said of a directory where a run was interrupted.
pub(crate) type Explain = fn(&std::path::Path) -> String;

/// Says on a signal to end where the run in `directory` can be gone on with: on an interrupt from the keyboard, and on
/// SIGTERM where [`prepare_signals`] was called. Where the process was started with a signal ignored, it stays ignored.
pub(crate) fn explain_interrupts(directory: PathBuf, explain: Explain) {
    *RUN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(directory.clone());
    *EXPLAIN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(explain);
    let set = ctrlc::try_set_handler(|| end("interrupted", 130));
    if let Err(error) = set {
        tracing::debug!("interrupts are not explained: {error}");
    }
}

static EXPLAIN: Mutex<Option<Explain>> = Mutex::new(None);

fn end(what: &str, code: i32) -> ! {
    let run = RUN.lock().ok().and_then(|run| run.clone());
    let explain = EXPLAIN.lock().ok().and_then(|explain| *explain);
    if let Some((run, explain)) = run.zip(explain) {
        tell(&format!("\n{what}; {}", explain(&run)));
    }
    std::process::exit(code)
}

/// Has a file that grew past its limit be an error of the write, as a full disk is, and SIGTERM speak as an interrupt does.
/// To be called before there are threads, which have the signals as they find them.
#[cfg(unix)]
pub fn prepare_signals() {
    use nix::sys::signal::{SigSet, Signal};
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGXFSZ);
    blocked.add(Signal::SIGTERM);
    if blocked.thread_block().is_err() {
        return;
    }
    let mut awaited = SigSet::empty();
    awaited.add(Signal::SIGTERM);
    std::thread::spawn(move || {
        if awaited.wait().is_ok() {
            end("terminated", 143);
        }
    });
}

/// There are no such signals here.
#[cfg(not(unix))]
pub fn prepare_signals() {}
