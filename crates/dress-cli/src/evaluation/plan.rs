//! What is measured of a checkpoint.

use super::{EvaluatedCheckpoint, RequestRecord};
use crate::Error;
use crate::commands::CommonArgs;
use dress_core::Progress;
use dress_data::{Corpus, WindowConfig, Windows};
use dress_eval::journal::ResultCache;
use dress_eval::report::ModelReport;
use dress_eval::tasks::{Task, TaskConfig, run_task};
use dress_eval::{Alignment, PerplexityConfig, SpeedConfig, departure, speed, window_perplexity};

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
    /// Measures one checkpoint, but for its speed, and what was said to each request.
    ///
    /// # Errors
    /// Those of cutting the text, of perplexity and of the tasks.
    pub fn evaluate(
        &self,
        checkpoint: &EvaluatedCheckpoint,
        common: &CommonArgs,
        progress: &dyn Progress,
    ) -> Result<(ModelReport, Vec<RequestRecord>), Error> {
        let mut report = checkpoint.report(common);
        if let Some(windows) = self.windows(checkpoint)? {
            let cache = self.cache.as_ref();
            report.perplexity =
                vec![window_perplexity(&checkpoint.model, &windows, &self.perplexity, cache, progress)?];
        }
        let mut records = Vec::new();
        for task in &self.tasks {
            let config = TaskConfig {
                cache: self.cache.clone(),
                dtype: common.dtype.to_string(),
                ..self.task_config.clone()
            };
            let (result, rows) = run_task(&checkpoint.model, &checkpoint.encoder(), task, &config, progress)?;
            report.tasks.push(result);
            records.extend(RequestRecord::of(task, &config, rows)?);
        }
        Ok((report, records))
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

    fn windows(&self, checkpoint: &EvaluatedCheckpoint) -> Result<Option<Windows>, Error> {
        let Some((corpus, config)) = &self.text else { return Ok(None) };
        let bos_token = checkpoint.prefix.as_ref().map(|prefix| prefix.id);
        let config = WindowConfig { bos_token, ..config.clone() };
        Ok(Some(Windows::new(corpus, &checkpoint.tokenizer, &config)?))
    }
}
