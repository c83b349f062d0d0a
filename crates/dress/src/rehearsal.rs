//! What a run will take, by a run on a few of its blocks.

use crate::{Error, PruneJob, PrunedCheckpoint, QualityText};
use dress_core::{Advance, Calibration, Progress, Stage, Unit};
use dress_machine::memory;
use serde::Serialize;
use std::sync::Mutex;
use std::time::Instant;

/// Steps of training that are rehearsed: with the usual strength the selection is gone after a fifth of them,
/// as in the whole run.
const STEPS: usize = 5;

/// Notes how long each stage of some work takes, and hands on what it is told.
pub struct StageTimes<'a> {
    shown: &'a dyn Progress,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    began: Option<Instant>,
    done: Vec<TimedStage>,
}

/// A stage, and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedStage {
    /// The stage.
    pub stage: Stage,
    /// Seconds.
    pub seconds: f64,
}

impl<'a> StageTimes<'a> {
    /// Hands on to `shown`.
    pub fn new(shown: &'a dyn Progress) -> Self {
        Self { shown, times: Mutex::default() }
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What work that took `seconds` in all says of work each of whose stages is `factor` times as long.
    pub fn estimate(&self, seconds: f64, factor: impl Fn(&TimedStage) -> f64) -> Estimate {
        let mut stages: Vec<StageEstimate> = Vec::new();
        let mut within = 0.0;
        for timed in &self.times().done {
            within += timed.seconds;
            let seconds = timed.seconds * factor(timed);
            match stages.iter_mut().find(|known| known.name == timed.stage.name) {
                Some(known) => known.seconds += seconds,
                None => stages.push(StageEstimate { name: timed.stage.name.clone(), seconds }),
            }
        }
        let rest = (seconds - within).max(0.0);
        let whole = rest + stages.iter().map(|stage| stage.seconds).sum::<f64>();
        Estimate { seconds: whole, stages, rest, peak_bytes: memory::peak() }
    }
}

impl Progress for StageTimes<'_> {
    fn started(&self, stage: &Stage) {
        self.times().began = Some(Instant::now());
        self.shown.started(stage);
    }

    fn advanced(&self, stage: &Stage, at: &Advance) {
        self.shown.advanced(stage, at);
    }

    fn finished(&self, stage: &Stage) {
        let mut times = self.times();
        if let Some(began) = times.began.take() {
            let seconds = began.elapsed().as_secs_f64();
            times.done.push(TimedStage { stage: stage.clone(), seconds });
        }
        drop(times);
        self.shown.finished(stage);
    }

    fn is_cancelled(&self) -> bool {
        self.shown.is_cancelled()
    }
}

/// What some work will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Seconds in all.
    pub seconds: f64,
    /// Its stages in order, those of one name together.
    pub stages: Vec<StageEstimate>,
    /// Seconds of what is in no stage: reading weights, solving, slicing.
    pub rest: f64,
    /// The most memory of the process so far, in bytes, where the system says it.
    pub peak_bytes: Option<u64>,
}

impl Estimate {
    /// What both together will take, one behind the other.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        self.seconds += next.seconds;
        self.rest += next.rest;
        self.stages.extend(next.stages);
        self.peak_bytes = self.peak_bytes.max(next.peak_bytes);
        self
    }
}

/// What one stage will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageEstimate {
    /// What is done.
    pub name: String,
    /// Seconds.
    pub seconds: f64,
}

/// How many times as long a stage takes on `blocks` blocks as on `few` of them, where training makes `steps`
/// steps in place of `few_steps`. Stages that count bytes do not depend on blocks.
pub fn stage_factor(stage: &Stage, [few, blocks]: [usize; 2], [few_steps, steps]: [usize; 2]) -> f64 {
    let ratio = |part: usize, whole: usize| whole as f64 / part.max(1) as f64;
    match stage.unit {
        Unit::Steps => ratio(few_steps, steps),
        Unit::Blocks | Unit::Layers => ratio(few, blocks),
        _ => 1.0,
    }
}

/// Leaves the first window of each text that quality is measured on; how many times as long all of them take.
pub fn first_windows(texts: &mut [QualityText]) -> f64 {
    let windows: usize = texts.iter().map(|text| text.windows.windows.len()).sum();
    texts.iter_mut().for_each(|text| text.windows.windows.truncate(1));
    windows as f64 / texts.len().max(1) as f64
}

impl PruneJob {
    /// A run on the first few of `calibration`'s blocks and of the texts' windows, from loading to slicing,
    /// and what it says of the whole. Nothing is written. The model that comes of it has the whole run's
    /// shape where scores do not say how much goes of which layer, and is of no use otherwise.
    ///
    /// # Errors
    /// Those of [`PruneJob::run`].
    pub fn rehearse(
        &self,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<(PrunedCheckpoint, Estimate), Error> {
        let (mut job, whole) = (self.clone(), calibration.blocks.len());
        let few = self.rehearsed_blocks(calibration);
        let mut steps = [0, 0];
        job.resolved.search_file = None;
        if let Some(settings) = &mut job.resolved.config.regularize {
            let all = settings.train.steps_on(whole);
            (settings.train.epochs, settings.train.run_dir) = (1, None);
            if let Some(distill) = &mut settings.distill {
                // Its cache would be a file.
                distill.cache = false;
            }
            steps = [settings.train.steps_on(few), all];
        }
        let all_windows = first_windows(&mut job.texts);
        let blocks = Calibration {
            blocks: calibration.blocks[..few].to_vec(),
            provenance: calibration.provenance.clone(),
        };
        let (began, times) = (Instant::now(), StageTimes::new(progress));
        let made = job.run(&blocks, &times)?;
        let estimate =
            times.estimate(began.elapsed().as_secs_f64(), |timed| match timed.stage.name.as_str() {
                "perplexity" => all_windows,
                _ => stage_factor(&timed.stage, [few, whole], steps),
            });
        Ok((made, estimate))
    }

    /// How many of the blocks a rehearsal looks at: those of a few steps, and what a search holds back.
    pub fn rehearsed_blocks(&self, calibration: &Calibration) -> usize {
        let train = self.resolved.config.regularize.as_ref().map(|settings| &settings.train);
        let a_step = train.map_or(1, |train| train.batch_size.saturating_mul(train.accumulation).max(1));
        let held_back = self.resolved.search.as_ref().map_or(0, |search| search.held_back);
        a_step.saturating_mul(STEPS).saturating_add(held_back).min(calibration.blocks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::NoProgress;

    fn stage(name: &str, unit: Unit) -> Stage {
        Stage { name: name.into(), unit, total: 4 }
    }

    #[test]
    fn stages_grow_by_what_they_count() {
        let factor = |unit| stage_factor(&stage("x", unit), [4, 64], [5, 320]);
        assert_eq!((factor(Unit::Blocks), factor(Unit::Layers), factor(Unit::Steps)), (16.0, 16.0, 64.0));
        assert_eq!(factor(Unit::Bytes), 1.0);
    }

    #[test]
    fn an_estimate_is_of_all_stages_and_of_the_rest() {
        let times = StageTimes::new(&NoProgress);
        let progress: &dyn Progress = &times;
        for name in ["scoring", "training", "scoring"] {
            let running = progress.begin(name, Unit::Blocks, 1);
            std::thread::sleep(std::time::Duration::from_millis(4));
            drop(running);
        }
        let found = times.estimate(1.0, |timed| if timed.stage.name == "training" { 10.0 } else { 1.0 });
        let names: Vec<&str> = found.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["scoring", "training"]);
        assert!(found.stages[1].seconds >= 0.04 && found.rest < 1.0 && found.rest > 0.5, "{found:?}");
        let sum = found.rest + found.stages.iter().map(|stage| stage.seconds).sum::<f64>();
        assert!((found.seconds - sum).abs() < 1e-9);
    }
}
