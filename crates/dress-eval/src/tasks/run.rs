//! Asking a model all questions of a task.

use super::answers::Answers;
use super::asked::Asked;
use super::fewshot::Examples;
use super::question::Question;
use super::result::{MetricRows, RowResult, Said, TaskResult, metric_rows, metrics};
use super::rows::Rows;
use super::task_config::TaskConfig;
use super::task_file::TaskFile;
use super::template::Templates;
use crate::Error;
use crate::journal::ResultKey;
use crate::scoring::RequestEncoder;
use dress_core::{CausalLm, Fingerprint, Progress, Unit, published_path};
use sha2::{Digest, Sha256};
use std::time::Instant;

/// A task with its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The task.
    pub file: TaskFile,
    /// The rows that are asked.
    pub rows: Rows,
    /// The rows that examples are drawn from; by default those that are asked.
    pub fewshot_rows: Option<Rows>,
}

impl Task {
    /// What each row asks, its examples before it.
    ///
    /// # Errors
    /// Those of [`Question::new`] and of drawing examples.
    pub fn questions(&self, config: &TaskConfig) -> Result<Vec<Question>, Error> {
        let templates = Templates::new();
        let pool = self.fewshot_rows.as_ref().unwrap_or(&self.rows);
        let (count, seed) = (config.fewshot, config.fewshot_seed);
        let mut examples = Examples::new(&self.file, &templates, pool, &self.rows, count, seed)?;
        let rows = self.rows.rows.iter().take(config.limit.unwrap_or(usize::MAX)).enumerate();
        rows.map(|(index, row)| {
            let before = examples.before(row).map_err(|error| error.in_file(&pool.path))?;
            let question = Question::new(&self.file, &templates, row, index + 1);
            Ok(question.map_err(|error| error.in_file(&self.rows.path))?.after(&before))
        })
        .collect()
    }

    /// What each row comes to in every metric, of what a model said to all of them.
    ///
    /// # Errors
    /// Those of [`Task::questions`].
    pub fn metric_rows(&self, config: &TaskConfig, rows: &[RowResult]) -> Result<Vec<MetricRows>, Error> {
        let questions = self.questions(config)?;
        let said: Vec<(&Question, &Said)> = questions.iter().zip(rows.iter().map(|row| &row.said)).collect();
        Ok(metric_rows(&self.file, &said))
    }

    /// The hash of the rows that examples are drawn from, where there are examples.
    fn fewshot_sha256(&self, config: &TaskConfig) -> Option<String> {
        (config.fewshot > 0).then(|| self.fewshot_rows.as_ref().unwrap_or(&self.rows).sha256.clone())
    }

    fn sha256(&self) -> String {
        let text = serde_json::to_vec(&self.file).expect("a task file is texts");
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// All that what a model says depends on.
    fn key<M: CausalLm>(&self, model: &M, encoder: &RequestEncoder<'_>, config: &TaskConfig) -> ResultKey {
        let (prefix, tokenizer) = (encoder.prefix.map(|prefix| prefix.id), encoder.tokenizer.sha256());
        let fewshot = self.fewshot_sha256(config);
        let hashes = (Fingerprint::of(model), tokenizer, self.sha256(), &self.rows.sha256, fewshot);
        let settings =
            (config.fewshot, config.fewshot_seed, &config.dtype, prefix, format!("{:?}", model.device()));
        match self.file.kind.generates() {
            true => ResultKey::new(&self.file.name, &(hashes, settings, &config.end_tokens)),
            false => ResultKey::new(&self.file.name, &(hashes, settings)),
        }
    }
}

/// Asks `model` every question of `task`. What was kept for the same model, tokenizer, task, data and
/// settings is not asked again.
///
/// # Errors
/// Those of [`Task::questions`], [`RequestEncoder`], [`score`](crate::scoring::score) and
/// [`generate_until`](crate::generation::generate_until), and [`Error::Io`] of the kept results.
pub fn run_task<M: CausalLm>(
    model: &M,
    encoder: &RequestEncoder<'_>,
    task: &Task,
    config: &TaskConfig,
    progress: &dyn Progress,
) -> Result<(TaskResult, Vec<RowResult>), Error> {
    let (questions, name) = (task.questions(config)?, &task.file.name);
    let key = || task.key(model, encoder, config);
    let mut answers = Answers::open(config.cache.as_ref(), key, &questions)?;
    let reused = answers.count();
    if reused > 0 {
        tracing::info!("{name}: {reused} of {} rows are reused", questions.len());
    }
    let asked = Asked::encode(&task.file, &questions, encoder, config, |row| answers.has(row))?;
    let stage = progress.begin(name, Unit::Questions, questions.len() as u64);
    stage.reuse(reused as u64);
    let began = Instant::now();
    asked.put_to(model, encoder, config, &stage, |row, said| answers.keep(row, said))?;
    let seconds = began.elapsed().as_secs_f64();
    drop(stage);
    let said = answers.into_said();
    let result = TaskResult {
        task: name.clone(),
        metrics: metrics(&task.file, &questions.iter().zip(&said).collect::<Vec<_>>()),
        headline: task.file.headline,
        rows: questions.len(),
        requests: questions.iter().map(|question| question.requests.len()).sum(),
        fewshot: config.fewshot,
        fewshot_seed: config.fewshot_seed,
        data: published_path(&task.rows.path),
        data_sha256: task.rows.sha256.clone(),
        fewshot_sha256: task.fewshot_sha256(config),
        task_sha256: task.sha256(),
        tokenizer_sha256: encoder.tokenizer.sha256().into(),
        seconds,
        requests_per_second: (asked.count() > 0).then(|| asked.count() as f64 / seconds),
        reused,
    };
    Ok((result, said.into_iter().enumerate().map(|(row, said)| RowResult { row, said }).collect()))
}
