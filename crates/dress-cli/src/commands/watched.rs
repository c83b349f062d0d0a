//! A run that leaves its numbers for TensorBoard.

use super::watch_args::event_file;
use crate::{Error, shown_progress};
use dress::{EventFile, EventProgress, TextQuality};
use dress_core::Progress;
use dress_train::{CurvePoint, RunDirectory};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Does some work with progress that is shown, and where `directory` is given kept in an event file. Returns
/// what was done with the file.
///
/// # Errors
/// Those of the work and of making the file.
pub(super) fn watched<T>(
    directory: Option<&PathBuf>,
    work: impl FnOnce(&dyn Progress) -> Result<T, Error>,
) -> Result<(T, Option<EventFile>), Error> {
    let shown = shown_progress();
    match event_file(directory)? {
        None => Ok((work(&shown)?, None)),
        Some(events) => {
            let progress = EventProgress::new(events, &shown);
            let done = work(&progress)?;
            Ok((done, Some(progress.into_events())))
        }
    }
}

/// Removes what a run that failed left in `directory`, where that is nothing to go on from.
pub(super) fn or_nothing_left<T>(directory: &RunDirectory, done: Result<T, Error>) -> Result<T, Error> {
    if done.is_err() && directory.keeps_nothing() {
        directory.remove();
    }
    done
}

/// Adds what is known of every step beside its loss, at the time that it ended, and what the texts say.
pub(super) fn add_the_rest(events: Option<EventFile>, curve: &[CurvePoint], quality: &[TextQuality]) {
    let Some(mut events) = events else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let took = curve.last().map_or(0.0, |point| point.seconds);
    for point in curve {
        let time = now - took + point.seconds;
        let numbers = [
            ("training/selected_norm", Some(point.selected_norm)),
            ("training/gradient_norm", Some(point.gradient_norm)),
            ("training/learning_rate", Some(point.learning_rate)),
            ("training/penalty", Some(point.penalty)),
            ("training/distillation", point.distillation),
            ("training/held_out", point.held_out),
        ];
        for (tag, number) in numbers {
            // The file is beside the result, which is complete without it.
            let _ = number.map(|number| events.add_at(time, tag, point.step as u64 + 1, number));
        }
    }
    for text in quality {
        let name = if text.held_back { "held back" } else { &text.text };
        for (step, loss) in [(0, text.before.loss), (curve.len() as u64, text.after.loss)] {
            let _ = events.add(&format!("quality/{name}"), step, loss);
        }
    }
}
