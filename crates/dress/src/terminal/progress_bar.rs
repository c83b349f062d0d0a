//! Progress bars with the time that is left.

use dress_core::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Mutex;

/// A bar on standard error while that is a terminal, nothing otherwise.
#[derive(Debug, Default)]
pub struct TerminalProgress {
    bar: Mutex<Option<ProgressBar>>,
}

impl TerminalProgress {
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

impl Progress for TerminalProgress {
    fn start(&self, phase: &str, total: u64) {
        let template = "{prefix:>12} {wide_bar} {pos}/{len} [{elapsed_precise}, {eta_precise} left] {msg}";
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let bar = ProgressBar::new(total).with_style(style).with_prefix(phase.to_string());
        bar.tick();
        self.with(|slot| *slot = Some(bar));
    }

    fn advance(&self, steps: u64, note: &str) {
        self.with(|slot| {
            if let Some(bar) = slot {
                bar.set_message(note.to_string());
                bar.inc(steps);
            }
        });
    }

    fn finish(&self) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
