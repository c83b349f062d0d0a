//! Progress where there is no terminal: a line now and then, for people who read a log and for programs.

use dress_core::{Advance, Progress, Stage};
use serde_json::json;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often a line is written.
const EVERY: Duration = Duration::from_secs(30);

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// A line on standard error every half minute of a stage, and one at its end where it had any.
#[derive(Debug)]
pub struct ProgressLines {
    format: LineFormat,
    every: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    /// What the stage's last line would have been, where it was not written.
    held: Option<String>,
    said_anything: bool,
}

impl ProgressLines {
    /// Lines of this format.
    pub fn new(format: LineFormat) -> Self {
        Self { format, every: EVERY, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What is to be said now, if anything is.
    fn line(&self, stage: &Stage, at: &Advance, now: Instant, clock: u64) -> Option<String> {
        let line = match self.format {
            LineFormat::Text => text(stage, at, clock),
            LineFormat::Json => json(stage, at, clock),
        };
        let mut state = self.state();
        if now.duration_since(*state.last.get_or_insert(now)) < self.every {
            state.held = Some(line);
            return None;
        }
        (state.last, state.held, state.said_anything) = (Some(now), None, true);
        Some(line)
    }
}

impl Progress for ProgressLines {
    fn started(&self, _stage: &Stage) {
        let mut state = self.state();
        // Many short stages are said as one long stage is.
        state.last.get_or_insert_with(Instant::now);
        (state.held, state.said_anything) = (None, false);
    }

    fn advanced(&self, stage: &Stage, at: &Advance) {
        if let Some(line) = self.line(stage, at, Instant::now(), clock()) {
            tell(&line);
        }
    }

    fn finished(&self, _stage: &Stage) {
        let mut state = self.state();
        let last = state.held.take().filter(|_| state.said_anything);
        drop(state);
        last.iter().for_each(|line| tell(line));
    }
}

/// Says something on standard error; there is nobody to tell where that fails.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Seconds since 1970.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The seconds that the rest of a stage takes at its rate.
fn left(stage: &Stage, at: &Advance) -> Option<f64> {
    (at.rate > 0.0).then(|| stage.total.saturating_sub(at.done) as f64 / at.rate)
}

fn text(stage: &Stage, at: &Advance, clock: u64) -> String {
    let [hours, minutes, seconds] = [clock / 3600 % 24, clock / 60 % 60, clock % 60];
    let mut line = format!(
        "{hours:02}:{minutes:02}:{seconds:02}Z {} {}/{} {}",
        stage.name, at.done, stage.total, stage.unit
    );
    if let Some(loss) = at.loss {
        line += &format!(", loss {loss:.3}");
    }
    if let Some(speed) = at.tokens_per_second {
        line += &format!(", {speed:.0} tokens/s");
    }
    if let Some(left) = left(stage, at) {
        line += &format!(", {:.1} min left", left / 60.0);
    }
    line
}

fn json(stage: &Stage, at: &Advance, clock: u64) -> String {
    json!({
        "time": clock,
        "stage": stage.name,
        "unit": stage.unit.to_string(),
        "done": at.done,
        "total": stage.total,
        "loss": at.loss.filter(|loss| loss.is_finite()),
        "tokens_per_second": at.tokens_per_second,
        "seconds_left": left(stage, at),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::Unit;

    struct Lines<'a>(&'a ProgressLines, Mutex<Vec<String>>, Instant, u64);

    impl Progress for Lines<'_> {
        fn advanced(&self, stage: &Stage, at: &Advance) {
            let now = self.2 + Duration::from_secs(20 * at.done);
            self.1.lock().unwrap().extend(self.0.line(stage, at, now, self.3));
        }
    }

    /// The lines of four steps of twenty seconds each.
    fn told(format: LineFormat) -> Vec<String> {
        let lines = ProgressLines::new(format);
        let kept = Lines(&lines, Mutex::default(), Instant::now(), 3600 * 25 + 61);
        let progress: &dyn Progress = &kept;
        let stage = progress.begin("training", Unit::Steps, 4).of_tokens(64);
        (0..4).for_each(|_| stage.advance_with(1, Some(2.5), "").unwrap());
        drop(stage);
        kept.1.into_inner().unwrap()
    }

    #[test]
    fn a_line_every_half_minute_says_time_step_loss_speed_and_what_is_left() {
        let said = told(LineFormat::Text);
        assert_eq!(said.len(), 1, "after 40 of 60 seconds since the first: {said:?}");
        assert!(said[0].starts_with("01:01:01Z training 3/4 steps, loss 2.500, "), "{said:?}");
        assert!(said[0].contains(" tokens/s, ") && said[0].ends_with(" min left"), "{said:?}");
    }

    #[test]
    fn a_line_for_programs_is_one_object() {
        let said = told(LineFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&said[0]).unwrap();
        assert_eq!(
            (&value["stage"], &value["done"], &value["loss"]),
            (&"training".into(), &3.into(), &2.5.into())
        );
        assert!(value["tokens_per_second"].as_f64().unwrap() > 0.0 && value["seconds_left"].is_number());
    }
}
