//! What is measured of a checkpoint.

use super::{EvaluatedCheckpoint, RequestRecord};
use crate::{Error, RunContext, declared};
use dress_core::Progress;
use dress_data::{Corpus, WindowConfig, Windows};
use dress_eval::journal::ResultCache;
use dress_eval::report::{ModelReport, Report};
use dress_eval::tasks::{MetricRows, Task, TaskConfig, TaskResult, run_task};
use dress_eval::{
    Alignment, PerplexityConfig, PerplexityReport, SpeedConfig, WindowLoss, departure, perplexity_by_window,
    speed,
};
use dress_models::checkpoint::fingerprint;
use std::path::{Path, PathBuf};

/// What was measured of one checkpoint.
#[derive(Debug, Clone)]
pub struct Measured {
    /// All of it.
    pub report: ModelReport,
    /// What was said to each request.
    pub records: Vec<RequestRecord>,
    /// What it loses on each window of the text.
    pub losses: Vec<WindowLoss>,
    /// What each row of the tasks comes to.
    pub rows: Vec<MetricRows>,
}

/// What is measured, of one checkpoint or of several alike.
#[derive(Debug, Clone, Default)]
pub struct EvaluationPlan {
    /// The text that perplexity is measured on, and how it is cut.
    pub text: Option<(Corpus, WindowConfig)>,
    /// Windows that go through the model together.
    pub perplexity: PerplexityConfig,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// How they are run.
    pub task_config: TaskConfig,
    /// What is measured of the speed.
    pub speed: Option<SpeedConfig>,
    /// Where results are kept and found again.
    pub cache: Option<ResultCache>,
}

impl EvaluationPlan {
    /// Measures one checkpoint, but for its speed.
    ///
    /// # Errors
    /// Those of cutting the text, of perplexity and of the tasks.
    pub fn evaluate(
        &self,
        checkpoint: &EvaluatedCheckpoint,
        context: &RunContext,
        progress: &dyn Progress,
    ) -> Result<Measured, Error> {
        let mut report = checkpoint.report(context);
        let mut losses = Vec::new();
        if let Some(windows) = self.windows(checkpoint)? {
            if checkpoint.calibrated_on.contains(&windows.provenance.sha256) {
                tracing::warn!(
                    "{} was calibrated on {}, so that its perplexity there says nothing of other texts",
                    checkpoint.name,
                    windows.provenance.path
                );
            }
            let cache = self.cache.as_ref();
            let (perplexity, of_windows) =
                perplexity_by_window(&checkpoint.model, &windows, &self.perplexity, cache, progress)?;
            report.perplexity = vec![perplexity];
            losses = of_windows;
        }
        let (mut records, mut rows) = (Vec::new(), Vec::new());
        for task in &self.tasks {
            let generates = task.file.kind.generates();
            let config = TaskConfig {
                cache: self.cache.clone(),
                dtype: context.compute.dtype.to_string(),
                end_tokens: if generates { checkpoint.end_tokens()? } else { Vec::new() },
                ..self.task_config.clone()
            };
            let (result, of_task) =
                run_task(&checkpoint.model, &checkpoint.encoder(), task, &config, progress)?;
            report.tasks.push(result);
            rows.extend(task.metric_rows(&config, &of_task)?);
            records.extend(RequestRecord::of(task, &config, of_task)?);
        }
        Ok(Measured { report, records, losses, rows })
    }

    /// How many windows the text is cut into, none without a text.
    ///
    /// # Errors
    /// Those of cutting it.
    pub fn count_windows(&self, checkpoint: &EvaluatedCheckpoint) -> Result<usize, Error> {
        Ok(self.windows(checkpoint)?.map_or(0, |windows| windows.windows.len()))
    }

    /// How far `checkpoint` is from `against`, where there is a text to see it on.
    ///
    /// # Errors
    /// [`Error::OtherTokenizer`], and those of [`departure`].
    pub fn depart(
        &self,
        checkpoint: &EvaluatedCheckpoint,
        against: &EvaluatedCheckpoint,
        report: &mut ModelReport,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let Some(windows) = self.windows(checkpoint)? else { return Ok(()) };
        if checkpoint.tokenizer.sha256() != against.tokenizer.sha256() {
            return Err(Error::OtherTokenizer {
                model: checkpoint.path.clone(),
                against: against.path.clone(),
            });
        }
        // A plan says which channels are left, but only of the model that it was made for.
        let plan = checkpoint.plan.as_ref().filter(|plan| plan.fingerprint == against.fingerprint);
        let alignment =
            plan.map_or_else(Alignment::default, |plan| Alignment::of(&plan.selection, plan.basis));
        let (model, other, cache) = (&checkpoint.model, &against.model, self.cache.as_ref());
        report.departure = Some(departure(model, other, &alignment, &windows, cache, progress)?);
        Ok(())
    }

    /// How fast the checkpoints are, in turn.
    ///
    /// # Errors
    /// Those of [`speed`].
    pub fn time(
        &self,
        checkpoints: &[&EvaluatedCheckpoint],
        reports: &mut [ModelReport],
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let Some(config) = &self.speed else { return Ok(()) };
        let models: Vec<_> = checkpoints.iter().map(|checkpoint| &checkpoint.model).collect();
        for (report, speed) in reports.iter_mut().zip(speed(&models, config, progress)?) {
            report.speed = Some(speed);
        }
        Ok(())
    }

    /// Checks that a report may be replaced by one of this plan for `models`: that it is of the same models
    /// and that all it has is measured again.
    ///
    /// # Errors
    /// [`Error::OtherReport`], and those of reading the models' fingerprints.
    pub fn check_replaces(
        &self,
        report: &Report,
        directory: &Path,
        models: &[PathBuf],
        context: &RunContext,
    ) -> Result<(), Error> {
        let other = |of: String| Err(Error::OtherReport { path: directory.join("report.json"), of });
        // The model that something was made from comes first.
        let Some(known) = report.models.last() else { return Ok(()) };
        if known.fingerprint != fingerprint(&declared(&models[0])?, &models[0])? {
            return other(format!("another model, {}", known.name));
        }
        match report.models.len() == models.len() && self.covers(known, context) {
            true => Ok(()),
            false => other(format!("{} with other settings", known.name)),
        }
    }

    /// Whether all that `known` has is measured again.
    fn covers(&self, known: &ModelReport, context: &RunContext) -> bool {
        let text = |found: &PerplexityReport| {
            self.text.as_ref().is_some_and(|(corpus, config)| {
                (found.data.sha256.as_str(), found.data.seqlen) == (corpus.sha256(), config.seqlen)
                    && found.data.text_field.as_deref() == corpus.text_field()
                    && (found.stride, found.protocol, found.bos)
                        == (config.stride, config.protocol, config.bos)
                    && config.max_windows.is_none_or(|most| found.data.blocks <= most)
            })
        };
        let task = |found: &TaskResult| {
            let TaskConfig { fewshot, fewshot_seed, limit, .. } = self.task_config;
            (found.fewshot, found.fewshot_seed) == (fewshot, fewshot_seed)
                && limit.is_none_or(|most| found.rows <= most)
                && self
                    .tasks
                    .iter()
                    .any(|task| (&task.file.name, &task.rows.sha256) == (&found.task, &found.data_sha256))
        };
        known.runs.last().is_some_and(|run| run.dtype == context.compute.dtype.to_string())
            && known.perplexity.iter().all(text)
            && known.tasks.iter().all(task)
            && known.speed.as_ref().is_none_or(|found| self.speed.as_ref() == Some(&found.config))
    }

    fn windows(&self, checkpoint: &EvaluatedCheckpoint) -> Result<Option<Windows>, Error> {
        let Some((corpus, config)) = &self.text else { return Ok(None) };
        let bos_token = checkpoint.prefix.as_ref().map(|prefix| prefix.id);
        let config = WindowConfig { bos_token, ..config.clone() };
        Ok(Some(Windows::new(corpus, &checkpoint.tokenizer, &config)?))
    }
}
