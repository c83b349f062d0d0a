//! Asking a model all questions of a task.

use super::fewshot::{Examples, FEWSHOT_SEED};
use super::question::Question;
use super::result::{RowResult, TaskResult, metrics};
use super::rows::Rows;
use super::task_file::TaskFile;
use super::template::Templates;
use crate::Error;
use crate::journal::{ResultCache, ResultKey};
use crate::scoring::{BatchConfig, Likelihood, Request, RequestEncoder, score};
use dress_core::{CausalLm, Fingerprint, Progress, Unit};
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

/// How a task is run.
#[derive(Debug, Clone)]
pub struct TaskConfig {
    /// Examples before each question.
    pub fewshot: usize,
    /// Seed of their draw.
    pub fewshot_seed: u32,
    /// The most rows, from the first on.
    pub limit: Option<usize>,
    /// How requests are batched.
    pub batch: BatchConfig,
    /// Where results are kept and found again.
    pub cache: Option<ResultCache>,
    /// The type of the weights, which results depend on.
    pub dtype: String,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            fewshot: 0,
            fewshot_seed: FEWSHOT_SEED,
            limit: None,
            batch: BatchConfig::default(),
            cache: None,
            dtype: "f32".into(),
        }
    }
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

    fn sha256(&self) -> String {
        let text = serde_json::to_vec(&self.file).expect("a task file is texts");
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Asks `model` every question of `task`. What was kept for the same model, tokenizer, task, data and settings is not
/// asked again.
///
/// # Errors
/// Those of [`Task::questions`], [`RequestEncoder::encode`] and [`score`], and [`Error::Io`] of the kept results.
pub fn run_task<M: CausalLm>(
    model: &M,
    encoder: &RequestEncoder<'_>,
    task: &Task,
    config: &TaskConfig,
    progress: &dyn Progress,
) -> Result<(TaskResult, Vec<RowResult>), Error> {
    let questions = task.questions(config)?;
    let task_sha256 = task.sha256();
    let tokenizer_sha256 = encoder.tokenizer.sha256().to_string();
    let fewshot_sha256 =
        (config.fewshot > 0).then(|| task.fewshot_rows.as_ref().unwrap_or(&task.rows).sha256.clone());
    let key = || {
        let prefix = encoder.prefix.map(|prefix| prefix.id);
        let hashes =
            (Fingerprint::of(model), &tokenizer_sha256, &task_sha256, &task.rows.sha256, &fewshot_sha256);
        let settings =
            (config.fewshot, config.fewshot_seed, &config.dtype, prefix, format!("{:?}", model.device()));
        ResultKey::new(&task.file.name, &(hashes, settings))
    };
    let (kept, mut journal) = match &config.cache {
        Some(cache) => cache.open::<RowResult>(&key()).map(|(kept, journal)| (kept, Some(journal)))?,
        None => (Vec::new(), None),
    };
    let mut said: Vec<Option<Vec<Likelihood>>> = vec![None; questions.len()];
    for result in kept.into_iter().filter(|result| result.row < questions.len()) {
        if result.likelihoods.len() == questions[result.row].requests.len() {
            said[result.row] = Some(result.likelihoods);
        }
    }
    let reused = said.iter().flatten().count();
    if reused > 0 {
        tracing::info!("{}: {reused} of {} rows are reused", task.file.name, questions.len());
    }
    let encode = |(index, question): (usize, &Question)| -> Result<Vec<Request>, Error> {
        if said[index].is_some() {
            return Ok(Vec::new());
        }
        let requests =
            question.requests.iter().map(|(context, continuation)| encoder.encode(context, continuation));
        let at = |cause| Error::Row { task: task.file.name.clone(), row: index + 1, cause: Box::new(cause) };
        requests.collect::<Result<_, _>>().map_err(at)
    };
    let requests: Vec<Vec<Request>> = questions.iter().enumerate().map(encode).collect::<Result<_, _>>()?;
    let asked: usize = requests.iter().map(Vec::len).sum();
    let stage = progress.begin(&task.file.name, Unit::Questions, questions.len() as u64);
    stage.reuse(reused as u64);
    let began = Instant::now();
    score(model, &requests, &config.batch, &stage, |row, likelihoods| {
        if let Some(journal) = &mut journal {
            journal.keep(&RowResult { row, likelihoods: likelihoods.clone() })?;
        }
        said[row] = Some(likelihoods);
        Ok::<(), Error>(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    drop(stage);
    let said: Vec<Vec<Likelihood>> = said.into_iter().flatten().collect();
    let pairs: Vec<_> =
        questions.iter().zip(&said).map(|(question, said)| (question, said.as_slice())).collect();
    let result = TaskResult {
        task: task.file.name.clone(),
        metrics: metrics(&task.file, &pairs),
        headline: task.file.headline,
        rows: questions.len(),
        requests: questions.iter().map(|question| question.requests.len()).sum(),
        fewshot: config.fewshot,
        fewshot_seed: config.fewshot_seed,
        data: task.rows.path.display().to_string(),
        data_sha256: task.rows.sha256.clone(),
        fewshot_sha256,
        task_sha256,
        tokenizer_sha256,
        seconds,
        requests_per_second: (asked > 0).then(|| asked as f64 / seconds),
        reused,
    };
    let results = said.into_iter().enumerate().map(|(row, likelihoods)| RowResult { row, likelihoods });
    Ok((result, results.collect()))
}
