//! Progress bars with the time that is left.

use dress_core::{Advance, Progress, Stage, Unit};
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
    fn started(&self, stage: &Stage) {
        let counts = match stage.unit {
            Unit::Bytes => "{bytes}/{total_bytes}",
            _ => "{pos}/{len}",
        };
        let template = format!(
            "{{prefix:>12}} {{wide_bar}} {counts} [{{elapsed_precise}}, {{eta_precise}} left] {{msg}}"
        );
        let style = ProgressStyle::with_template(&template).expect("the template is well-formed");
        let bar = ProgressBar::new(stage.total).with_style(style).with_prefix(stage.name.clone());
        bar.tick();
        self.with(|slot| *slot = Some(bar));
    }

    fn advanced(&self, _stage: &Stage, at: &Advance) {
        self.with(|slot| {
            if let Some(bar) = slot {
                bar.set_message(at.note.to_string());
                bar.set_position(at.done);
            }
        });
    }

    fn finished(&self, _stage: &Stage) {
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
