//! What the system's signals do.

use crate::{place_lock, tell};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The directory of the run that goes on, and what is said of it, if one does.
static RUN: Mutex<Option<(PathBuf, Explain)>> = Mutex::new(None);

/// The process that works for this one, while one does.
static CHILD: Mutex<Option<u32>> = Mutex::new(None);

/// Whether a signal is about to end this process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// What is said of a directory where a run was interrupted.
pub(crate) type Explain = fn(&std::path::Path) -> String;

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says on a signal to end where the run in `directory` can be gone on with: on an interrupt from the
/// keyboard, and on SIGTERM and SIGHUP where [`prepare_signals`] was called. Where the process was started
/// with a signal ignored, it stays ignored.
pub(crate) fn explain_interrupts(directory: PathBuf, explain: Explain) {
    *locked(&RUN) = Some((directory, explain));
    let set = ctrlc::try_set_handler(|| end("interrupted", 130));
    if let Err(error) = set {
        tracing::debug!("interrupts are not explained: {error}");
    }
}

/// Has a signal that ends this process end its child too; `None` when that has ended.
pub(crate) fn works_in(child: Option<u32>) {
    *locked(&CHILD) = child;
}

/// Does not return where a signal is about to end this process: what the child that it ended left undone is
/// no failure.
pub(crate) fn stay_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

fn end(what: &str, code: i32) -> ! {
    ENDING.store(true, Ordering::SeqCst);
    let told = end_child();
    if let (Some((run, explain)), false) = (&*locked(&RUN), told) {
        tell(&format!("\n{what}; {}", explain(run)));
    }
    place_lock::release_all();
    std::process::exit(code)
}

/// Ends the process that works for this one and waits for its last words, if there is one.
#[cfg(unix)]
fn end_child() -> bool {
    use nix::{sys::signal, unistd::Pid};
    let child = locked(&CHILD).and_then(|child| i32::try_from(child).ok());
    let Some(child) = child else { return false };
    let _ = signal::kill(Pid::from_raw(child), signal::Signal::SIGTERM);
    // Whoever started it waits for it and says that it is gone.
    for _ in 0..500 {
        if locked(&CHILD).is_none() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    true
}

#[cfg(not(unix))]
fn end_child() -> bool {
    false
}

/// Has a file that grew past its limit be an error of the write, as a full disk is, and SIGTERM and SIGHUP
/// speak as an interrupt does. To be called before there are threads, which have the signals as they find
/// them.
#[cfg(unix)]
pub fn prepare_signals() {
    use nix::sys::signal::{SigSet, Signal};
    let ignored = ignored();
    let is_ignored = |signal: Signal| ignored >> (signal as i32 - 1) & 1 == 1;
    let mut awaited = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)) {
        awaited.add(signal);
    }
    let mut blocked = awaited;
    blocked.add(Signal::SIGXFSZ);
    if blocked.thread_block().is_err() {
        return;
    }
    std::thread::spawn(move || match awaited.wait() {
        Ok(Signal::SIGHUP) => end("hung up", 129),
        Ok(_) => end("terminated", 143),
        Err(_) => {}
    });
}

/// The signals that this process was started with ignored, a bit each, where the system says so.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// There are no such signals here.
#[cfg(not(unix))]
pub fn prepare_signals() {}
