//! Telling a person how far long work has come.

/// Where libraries report how far they are; who owns the terminal decides what to show.
pub trait Progress {
    /// A phase of `total` steps begins.
    fn start(&self, phase: &str, total: u64);

    /// `steps` more steps are done; `note` is a short state such as a loss, or empty.
    fn advance(&self, steps: u64, note: &str);

    /// The phase is over.
    fn finish(&self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _phase: &str, _total: u64) {}
    fn advance(&self, _steps: u64, _note: &str) {}
    fn finish(&self) {}
}
