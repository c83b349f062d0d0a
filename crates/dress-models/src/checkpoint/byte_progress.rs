//! Progress in bytes, told in MiB.

use dress_core::Progress;

/// Counts bytes and tells whole MiB.
pub(super) struct ByteProgress<'a> {
    progress: &'a dyn Progress,
    done: u64,
    told: u64,
}

impl<'a> ByteProgress<'a> {
    /// Begins a phase of `total` bytes.
    pub fn start(progress: &'a dyn Progress, phase: &str, total: u64) -> Self {
        progress.start(&format!("{phase} (MiB)"), total >> 20);
        Self { progress, done: 0, told: 0 }
    }

    /// So many bytes more are done.
    pub fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        self.progress.advance((self.done >> 20) - self.told, "");
        self.told = self.done >> 20;
    }

    /// Ends the phase.
    pub fn finish(self) {
        self.progress.finish();
    }
}
