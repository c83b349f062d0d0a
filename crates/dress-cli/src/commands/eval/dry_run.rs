//! What an evaluation would take.

use super::Eval;
use crate::commands::dry_run::{DryRun, FEW};
use crate::evaluation::{EvaluatedCheckpoint, EvaluationPlan};
use crate::{Error, shown_progress};
use dress::{StageTimes, TimedStage};
use dress_core::Unit;
use std::time::Instant;

/// Rows of every task that are rehearsed.
const ROWS: usize = 8;

impl Eval {
    /// Says what it would take, by a few blocks and rows of both models, and writes nothing. Speed is not
    /// rehearsed, as measuring it is all that it does.
    pub fn dry_run(self) -> Result<(), Error> {
        let (context, began, shown) = (&self.context, Instant::now(), shown_progress());
        let times = StageTimes::new(&shown);
        let few = self.few();
        let checkpoint = EvaluatedCheckpoint::load(&self.model, self.name.as_deref(), context)?;
        let whole = self.plan.count_windows(&checkpoint)?;
        let mut report = few.evaluate(&checkpoint, context, &times)?.report;
        if let Some(path) = &self.against {
            let against = EvaluatedCheckpoint::load(path, None, context)?;
            few.depart(&checkpoint, &against, &mut report, &times)?;
            few.evaluate(&against, context, &times)?;
        }
        let rows = |name: &str| {
            let task = self.plan.tasks.iter().find(|task| task.file.name == name);
            let all = task.map_or(0, |task| task.rows.rows.len());
            all.min(self.plan.task_config.limit.unwrap_or(usize::MAX))
        };
        let estimate = times.estimate(began.elapsed().as_secs_f64(), |timed: &TimedStage| {
            let part = timed.stage.total.max(1) as f64;
            match timed.stage.unit {
                Unit::Blocks => whole as f64 / part,
                Unit::Questions => rows(&timed.stage.name) as f64 / part,
                _ => 1.0,
            }
        });
        let rehearsed = format!("by {} of {whole} blocks and {ROWS} rows of every task", FEW.min(whole));
        DryRun::of_work(estimate, rehearsed).print(context.output)
    }

    /// The same on little of everything, with nothing kept.
    fn few(&self) -> EvaluationPlan {
        let mut few = EvaluationPlan { cache: None, speed: None, ..self.plan.clone() };
        if let Some((_, config)) = &mut few.text {
            config.max_windows = Some(config.max_windows.map_or(FEW, |most| most.min(FEW)));
        }
        few.task_config.limit = Some(few.task_config.limit.map_or(ROWS, |most| most.min(ROWS)));
        few
    }
}
