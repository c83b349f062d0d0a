//! Progress as whoever looks can see it: bars at a terminal, lines where there is none.

use super::{LineFormat, ProgressLines};
use dress_core::{Advance, Progress, Stage, Unit};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;

/// A bar with the time that is left on standard error while that is a terminal; a line every half minute
/// otherwise.
#[derive(Debug)]
pub struct TerminalProgress {
    bar: Mutex<Option<ProgressBar>>,
    lines: Option<ProgressLines>,
}

impl Default for TerminalProgress {
    fn default() -> Self {
        let lines = (!std::io::stderr().is_terminal()).then(|| ProgressLines::new(LineFormat::Text));
        Self { bar: Mutex::default(), lines }
    }
}

impl TerminalProgress {
    /// Lines of this format, whether or not there is a terminal.
    pub fn lines(format: LineFormat) -> Self {
        Self { bar: Mutex::default(), lines: Some(ProgressLines::new(format)) }
    }

    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self.bar.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }
}

impl Progress for TerminalProgress {
    fn started(&self, stage: &Stage) {
        if let Some(lines) = &self.lines {
            return lines.started(stage);
        }
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

    fn advanced(&self, stage: &Stage, at: &Advance) {
        if let Some(lines) = &self.lines {
            return lines.advanced(stage, at);
        }
        let speed = at.tokens_per_second.map_or(String::new(), |speed| format!(" {speed:.0} tokens/s"));
        self.with(|slot| {
            if let Some(bar) = slot {
                bar.set_message(format!("{}{speed}", at.note));
                bar.set_position(at.done);
            }
        });
    }

    fn finished(&self, stage: &Stage) {
        if let Some(lines) = &self.lines {
            return lines.finished(stage);
        }
        self.with(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
