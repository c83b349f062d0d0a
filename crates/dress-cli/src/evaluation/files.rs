//! What an evaluation leaves on disk.

use crate::{Error, read_text, write_result};
use dress_eval::report::Report;
use dress_eval::scoring::Likelihood;
use dress_eval::tasks::{Question, RowResult, Said, Task, TaskConfig};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One request and what the model said to it, for comparing with other software.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The task.
    pub task: String,
    /// The row, from 0.
    pub row: usize,
    /// The request, from 0.
    pub request: usize,
    /// The context.
    pub context: String,
    /// What was said.
    #[serde(flatten)]
    pub answer: RequestAnswer,
}

/// What the model said to one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestAnswer {
    /// How likely a continuation is.
    Scored {
        /// The continuation.
        continuation: String,
        /// Natural logarithm of its probability.
        log_likelihood: f64,
        /// Whether each of its tokens is the likeliest.
        is_greedy: bool,
    },
    /// What the model went on with.
    Generated {
        /// The text, up to what ended it.
        generated: String,
    },
}

impl RequestAnswer {
    /// One answer a request.
    fn each(question: &Question, said: Said) -> Vec<Self> {
        match said {
            Said::Text(generated) => vec![Self::Generated { generated }],
            Said::Likelihoods(likelihoods) => {
                let scored = |((_, continuation), said): (&(String, String), Likelihood)| Self::Scored {
                    continuation: continuation.clone(),
                    log_likelihood: said.log_likelihood,
                    is_greedy: said.is_greedy,
                };
                question.requests.iter().zip(likelihoods).map(scored).collect()
            }
        }
    }
}

impl RequestRecord {
    /// The requests of a task.
    ///
    /// # Errors
    /// Those of [`Task::questions`].
    pub fn of(task: &Task, config: &TaskConfig, rows: Vec<RowResult>) -> Result<Vec<Self>, Error> {
        let questions = task.questions(config)?;
        let records = |RowResult { row, said }: RowResult| {
            let contexts = questions[row].requests.iter().map(|(context, _)| context.clone());
            let answers = contexts.zip(RequestAnswer::each(&questions[row], said)).enumerate();
            let name = &task.file.name;
            let record = move |(request, (context, answer))| Self {
                task: name.clone(),
                row,
                request,
                context,
                answer,
            };
            answers.map(record).collect::<Vec<_>>()
        };
        Ok(rows.into_iter().flat_map(records).collect())
    }
}

/// Writes the requests, one JSON object a line.
///
/// # Errors
/// Those of [`write_result`].
pub fn write_requests(path: &Path, records: &[RequestRecord], replace: bool) -> Result<(), Error> {
    let line = |record: &RequestRecord| {
        serde_json::to_string(record).expect("a request is texts and numbers") + "\n"
    };
    write_result(path, records.iter().map(line).collect::<String>().as_bytes(), replace)
}

/// Whether a file is one that [`write_requests`] wrote.
pub fn is_requests(path: &Path) -> bool {
    let text = dress_core::files::read_to_string(path).unwrap_or_default();
    text.lines().all(|line| serde_json::from_str::<RequestRecord>(line).is_ok())
}

/// Reads the report of a run, given as its directory or as the file.
///
/// # Errors
/// [`Error::Unreadable`], and those of [`Report::from_json`].
pub fn read_report(run: &Path) -> Result<Report, Error> {
    let path = if run.is_dir() { run.join("report.json") } else { run.into() };
    let text =
        read_text(&path, "a directory that dress eval --out, compare or report wrote, or its report.json")?;
    Ok(Report::from_json(&text, &path)?)
}
