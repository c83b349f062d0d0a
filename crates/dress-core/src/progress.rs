//! Telling a person how far long work has come, and letting them end it.

use crate::{Error, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A part of long work whose length is known when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What is done, in a word or two: `training`, `perplexity`, or the name of a criterion or a task.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// How many there are.
    pub total: u64,
}

/// How far a stage has come.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Advance<'a> {
    /// How many of the stage's [`total`](Stage::total) are done, those of an earlier run included.
    pub done: u64,
    /// The loss of what was done last, in nats a token, where there is one.
    pub loss: Option<f64>,
    /// How many are done a second since the stage began, those of an earlier run apart.
    pub rate: f64,
    /// How many tokens go through the model a second, where it is known how many each has.
    pub tokens_per_second: Option<f64>,
    /// A short state for a person to read, such as a loss with a norm beside it, or empty.
    pub note: &'a str,
}

/// Where libraries report how far they are. Who owns the terminal decides what to show, and may end the work.
///
/// Work on several threads may report to one `Progress`. Stages of one piece of work do not overlap.
///
/// # Examples
/// ```
/// use dress_core::{Advance, Progress, Stage, Unit};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Ends the work after three steps.
/// #[derive(Default)]
/// struct Three(AtomicU64);
///
/// impl Progress for Three {
///     fn advanced(&self, _stage: &Stage, at: &Advance) {
///         self.0.store(at.done, Ordering::Relaxed);
///     }
///     fn is_cancelled(&self) -> bool {
///         self.0.load(Ordering::Relaxed) >= 3
///     }
/// }
///
/// let three = Three::default();
/// let progress: &dyn Progress = &three;
/// let stage = progress.begin("counting", Unit::Steps, 10);
/// let ended = (0..10).try_for_each(|_| stage.advance(1)).unwrap_err();
/// assert_eq!(ended.to_string(), "counting was cancelled after 3 of 10 steps");
/// ```
pub trait Progress: Sync {
    /// A stage begins.
    fn started(&self, stage: &Stage) {
        let _ = stage;
    }

    /// A stage has come further.
    fn advanced(&self, stage: &Stage, at: &Advance) {
        let _ = (stage, at);
    }

    /// A stage is over: because all is done, or because it failed or was cancelled.
    fn finished(&self, stage: &Stage) {
        let _ = stage;
    }

    /// Whether the work should end as soon as it can. What is kept for a later run is written first.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<'p> dyn Progress + 'p {
    /// Begins a stage, which lasts until what is returned is dropped.
    pub fn begin(&self, name: impl Into<String>, unit: Unit, total: u64) -> RunningStage<'_> {
        let stage = Stage { name: name.into(), unit, total };
        self.started(&stage);
        RunningStage {
            progress: self,
            stage,
            done: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            tokens_each: 0,
            began: Instant::now(),
        }
    }
}

/// A stage that goes on. Dropping it ends the stage.
pub struct RunningStage<'a> {
    progress: &'a (dyn Progress + 'a),
    stage: Stage,
    done: AtomicU64,
    reused: AtomicU64,
    tokens_each: u64,
    began: Instant,
}

impl RunningStage<'_> {
    /// The same, of whose units each sends so many tokens through the model.
    #[must_use]
    pub fn of_tokens(mut self, each: usize) -> Self {
        self.tokens_each = each as u64;
        self
    }

    /// So many are done already, by an earlier run; they do not count for the rate.
    pub fn reuse(&self, count: u64) {
        if count > 0 {
            self.reused.fetch_add(count, Ordering::Relaxed);
            self.tell(count, None, "reused");
        }
    }

    /// So many more are done.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where the work should end.
    pub fn advance(&self, count: u64) -> Result<(), Error> {
        self.advance_with(count, None, "")
    }

    /// So many more are done, with the loss of what was done last in nats a token, and a short state for a
    /// person to read.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where the work should end.
    pub fn advance_with(&self, count: u64, loss: Option<f64>, note: &str) -> Result<(), Error> {
        self.tell(count, loss, note);
        self.check()
    }

    /// Whether the work should end.
    ///
    /// # Errors
    /// [`Error::Cancelled`] where it should.
    pub fn check(&self) -> Result<(), Error> {
        if !self.progress.is_cancelled() {
            return Ok(());
        }
        let Stage { name, unit, total } = self.stage.clone();
        Err(Error::Cancelled { stage: name, done: self.done.load(Ordering::Relaxed), total, unit })
    }

    fn tell(&self, count: u64, loss: Option<f64>, note: &str) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        let own = done.saturating_sub(self.reused.load(Ordering::Relaxed)) as f64;
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { own / seconds } else { 0.0 };
        let tokens_per_second = (self.tokens_each > 0).then_some(rate * self.tokens_each as f64);
        self.progress.advanced(&self.stage, &Advance { done, loss, rate, tokens_per_second, note });
    }
}

impl Drop for RunningStage<'_> {
    fn drop(&mut self) {
        self.progress.finished(&self.stage);
    }
}

/// Shows nothing and never ends the work.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Kept {
        fn keep(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }

    impl Progress for Kept {
        fn started(&self, stage: &Stage) {
            self.keep(format!("{} of {} {}", stage.name, stage.total, stage.unit));
        }
        fn advanced(&self, _stage: &Stage, at: &Advance) {
            self.keep(format!("{} {:?} {} {}", at.done, at.loss, at.note, at.rate >= 0.0));
        }
        fn finished(&self, stage: &Stage) {
            self.keep(format!("end of {}", stage.name));
        }
    }

    #[test]
    fn a_stage_tells_its_length_its_losses_and_its_end() {
        let kept = Kept::default();
        let progress: &dyn Progress = &kept;
        {
            let stage = progress.begin("training", Unit::Steps, 3);
            stage.reuse(1);
            stage.advance_with(1, Some(2.5), "loss 2.5").unwrap();
        }
        let lines =
            ["training of 3 steps", "1 None reused true", "2 Some(2.5) loss 2.5 true", "end of training"];
        assert_eq!(*kept.0.lock().unwrap(), lines);
    }

    #[test]
    fn tokens_a_second_are_known_where_the_tokens_of_each_are() {
        struct Speeds(Mutex<Vec<Option<f64>>>);
        impl Progress for Speeds {
            fn advanced(&self, _stage: &Stage, at: &Advance) {
                let consistent = at.tokens_per_second.map(|speed| speed / at.rate);
                self.0.lock().unwrap().push(consistent);
            }
        }
        let speeds = Speeds(Mutex::new(Vec::new()));
        let progress: &dyn Progress = &speeds;
        let stages =
            [progress.begin("training", Unit::Steps, 1).of_tokens(512), progress.begin("a", Unit::Steps, 1)];
        for stage in &stages {
            std::thread::sleep(std::time::Duration::from_millis(1));
            stage.advance(1).unwrap();
        }
        assert_eq!(*speeds.0.lock().unwrap(), [Some(512.0), None]);
    }

    #[test]
    fn what_was_reused_does_not_count_for_the_rate() {
        struct Rates(Mutex<Vec<f64>>);
        impl Progress for Rates {
            fn advanced(&self, _stage: &Stage, at: &Advance) {
                self.0.lock().unwrap().push(at.rate);
            }
        }
        let rates = Rates(Mutex::new(Vec::new()));
        let progress: &dyn Progress = &rates;
        let stage = progress.begin("perplexity", Unit::Blocks, 1_000_002);
        stage.reuse(1_000_000);
        std::thread::sleep(std::time::Duration::from_millis(20));
        stage.advance(1).unwrap();
        let found = rates.0.lock().unwrap().clone();
        assert!(found[0] == 0.0 && found[1] > 0.0 && found[1] <= 50.0, "{found:?}");
    }
}
