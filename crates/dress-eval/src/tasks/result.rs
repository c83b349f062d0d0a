//! What a task came to.

use super::PAPER_TASKS;
use super::question::Question;
use super::task_file::{Metric, TaskFile, TaskKind};
use crate::scoring::Likelihood;
use serde::{Deserialize, Serialize};

/// What the model said to one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowResult {
    /// The row, from 0.
    pub row: usize,
    /// What it said.
    #[serde(flatten)]
    pub said: Said,
}

/// What a model says to a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// How likely each request is.
    Likelihoods(Vec<Likelihood>),
    /// The text that it wrote, up to what ended it.
    Text(String),
}

impl Said {
    /// One likelihood a request; none where the model wrote a text.
    pub fn likelihoods(&self) -> &[Likelihood] {
        match self {
            Self::Likelihoods(likelihoods) => likelihoods,
            Self::Text(_) => &[],
        }
    }

    /// The text that the model wrote, where it did.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Likelihoods(_) => None,
            Self::Text(text) => Some(text),
        }
    }

    /// Whether this can be an answer to `question`.
    pub(super) fn answers(&self, question: &Question) -> bool {
        match self {
            Self::Likelihoods(likelihoods) => {
                question.answers.is_empty() && likelihoods.len() == question.requests.len()
            }
            Self::Text(_) => !question.answers.is_empty(),
        }
    }
}

/// A metric of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Which.
    pub metric: Metric,
    /// Its value.
    pub value: f64,
    /// Standard error of the mean over rows; absent for a single row and for a perplexity.
    pub standard_error: Option<f64>,
}

/// A task's result with what it takes to get it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The task's name.
    pub task: String,
    /// What was measured.
    pub metrics: Vec<MetricValue>,
    /// The one that papers report.
    pub headline: Metric,
    /// Rows that were asked.
    pub rows: usize,
    /// Requests, of which a row has one a choice, or one alone where the model writes the answer.
    pub requests: usize,
    /// Examples before each question.
    pub fewshot: usize,
    /// Seed of their draw.
    pub fewshot_seed: u32,
    /// The data as given.
    pub data: String,
    /// SHA-256 of its bytes.
    pub data_sha256: String,
    /// The examples' data, where there were examples.
    pub fewshot_sha256: Option<String>,
    /// SHA-256 of the task file.
    pub task_sha256: String,
    /// SHA-256 of the tokenizer's file.
    pub tokenizer_sha256: String,
    /// Seconds that the model took, for the rows that were not reused.
    pub seconds: f64,
    /// Requests a second; absent where every row was reused.
    pub requests_per_second: Option<f64>,
    /// Rows whose result was there already, for the same hashes.
    pub reused: usize,
}

impl TaskResult {
    /// The metric that papers report.
    pub fn headline(&self) -> Option<&MetricValue> {
        self.metrics.iter().find(|value| value.metric == self.headline)
    }
}

/// The plain mean of the five tasks that papers report, where all of them were evaluated.
pub fn paper_average(results: &[TaskResult]) -> Option<f64> {
    let value = |name: &&str| {
        let result = results.iter().find(|result| result.task == *name)?;
        Some(result.headline()?.value)
    };
    let values: Option<Vec<f64>> = PAPER_TASKS.iter().map(value).collect();
    values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

/// What each row of a task comes to in one metric, by which two models can be paired
/// ([`PairedDifference`](crate::PairedDifference)).
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRows {
    /// The task.
    pub task: String,
    /// The metric. Rows of a perplexity are negative log-likelihoods, in nats.
    pub metric: Metric,
    /// A value a row.
    pub values: Vec<f64>,
}

/// What each row comes to in every metric of a task.
pub(super) fn metric_rows(task: &TaskFile, rows: &[(&Question, &Said)]) -> Vec<MetricRows> {
    let of = |&metric: &Metric| {
        let sign = if metric == Metric::Perplexity { -1.0 } else { 1.0 };
        let values = rows.iter().map(|(question, said)| sign * value(task, metric, question, said));
        MetricRows { task: task.name.clone(), metric, values: values.collect() }
    };
    task.metrics.iter().map(of).collect()
}

/// Every metric of a task over its rows.
pub(super) fn metrics(task: &TaskFile, rows: &[(&Question, &Said)]) -> Vec<MetricValue> {
    let of = |&metric: &Metric| {
        let values: Vec<f64> =
            rows.iter().map(|(question, said)| value(task, metric, question, said)).collect();
        let mean = mean(&values);
        match metric {
            Metric::Perplexity => MetricValue { metric, value: (-mean).exp(), standard_error: None },
            _ => MetricValue { metric, value: mean, standard_error: standard_error(&values) },
        }
    };
    task.metrics.iter().map(of).collect()
}

fn value(task: &TaskFile, metric: Metric, question: &Question, said: &Said) -> f64 {
    match (said, &task.kind) {
        (Said::Likelihoods(said), _) => value_of_likelihoods(metric, question, said),
        (Said::Text(text), TaskKind::GenerateUntil(generated)) => {
            f64::from(u8::from(generated.accepts(text, &question.answers)))
        }
        (Said::Text(_), _) => 0.0,
    }
}

fn value_of_likelihoods(metric: Metric, question: &Question, said: &[Likelihood]) -> f64 {
    let right = |chosen: usize| f64::from(u8::from(question.gold == Some(chosen)));
    match (metric, question.gold) {
        (Metric::Perplexity, _) => said[0].log_likelihood,
        (_, None) => f64::from(u8::from(said[0].is_greedy)),
        (Metric::AccNorm, _) => {
            right(argmax(said.iter().zip(&question.lengths).map(|(l, &len)| l.log_likelihood / len as f64)))
        }
        (_, Some(_)) => right(argmax(said.iter().map(|l| l.log_likelihood))),
    }
}

/// The first of the greatest, as numpy's: a choice without characters is at minus infinity.
fn argmax(values: impl Iterator<Item = f64>) -> usize {
    let greatest = values.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    greatest.map_or(0, |(index, _)| index)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample's standard deviation over the root of its size.
fn standard_error(values: &[f64]) -> Option<f64> {
    let (mean, count) = (mean(values), values.len() as f64);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (values.len() > 1).then(|| (variance / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Templates;

    fn said(values: &[f64]) -> Said {
        let likelihood = |&log_likelihood: &f64| Likelihood { log_likelihood, is_greedy: false };
        Said::Likelihoods(values.iter().map(likelihood).collect())
    }

    #[test]
    fn acc_takes_the_sum_acc_norm_the_mean_a_character_and_ties_go_to_the_first() {
        let task = TaskFile::named("piqa").unwrap();
        let row = serde_json::from_str(r#"{"goal":"g","sol1":"ab","sol2":"abcd","label":1}"#).unwrap();
        let question = Question::new(&task, &Templates::new(), &row, 1).unwrap();
        let (wrong, tied) = (said(&[-2.0, -3.0]), said(&[-2.0, -2.0]));
        let found = metrics(&task, &[(&question, &wrong), (&question, &tied)]);
        assert_eq!((found[0].value, found[0].standard_error), (0.0, Some(0.0)));
        assert_eq!(found[1].value, 1.0, "-3 / 4 > -2 / 2");
        assert_eq!(argmax([1.0, 1.0].into_iter()), 0);
    }

    #[test]
    fn rows_come_to_what_their_metric_is_the_mean_of() {
        let task = TaskFile::named("lambada_openai").unwrap();
        let row = serde_json::from_str(r#"{"text":"one two three"}"#).unwrap();
        let question = Question::new(&task, &Templates::new(), &row, 1).unwrap();
        let (first, second) = (said(&[-2.0]), said(&[-4.0]));
        let rows = [(&question, &first), (&question, &second)];
        let found = metric_rows(&task, &rows);
        let of = found.iter().find(|rows| rows.metric == Metric::Perplexity).unwrap();
        assert_eq!(of.values, [2.0, 4.0]);
        let perplexity = metrics(&task, &rows).into_iter().find(|value| value.metric == Metric::Perplexity);
        assert!((perplexity.unwrap().value.ln() - mean(&of.values)).abs() < 1e-12);
    }

    #[test]
    fn exact_match_is_the_share_of_accepted_texts() {
        let task = TaskFile::named("triviaqa").unwrap();
        let row = r#"{"question":"q","answer":{"aliases":["Noah","St. Nuh"]}}"#;
        let question =
            Question::new(&task, &Templates::new(), &serde_json::from_str(row).unwrap(), 1).unwrap();
        let texts = [" noah", "St Nuh", "Noah the first", ""].map(|text| Said::Text(text.into()));
        let rows: Vec<(&Question, &Said)> = texts.iter().map(|said| (&question, said)).collect();
        let found = metrics(&task, &rows);
        let error = standard_error(&[1.0, 1.0, 0.0, 0.0]);
        assert_eq!(found, [MetricValue { metric: Metric::ExactMatch, value: 0.5, standard_error: error }]);
    }

    #[test]
    fn a_kept_line_says_which_of_both_it_holds() {
        let text = RowResult { row: 2, said: Said::Text("Noah".into()) };
        assert_eq!(serde_json::to_string(&text).unwrap(), r#"{"row":2,"text":"Noah"}"#);
        let scored = RowResult { row: 0, said: said(&[-0.1, -2.0]) };
        let line = r#"{"row":0,"likelihoods":[{"log_likelihood":-0.1,"is_greedy":false},{"log_likelihood":-2.0,"is_greedy":false}]}"#;
        assert_eq!(serde_json::to_string(&scored).unwrap(), line);
        for result in [text, scored] {
            let line = serde_json::to_string(&result).unwrap();
            assert_eq!(serde_json::from_str::<RowResult>(&line).unwrap(), result);
        }
    }

    #[test]
    fn the_standard_error_is_that_of_the_sample() {
        let error = standard_error(&[1.0, 0.0, 1.0, 1.0]).unwrap();
        assert!((error - 0.25).abs() < 1e-12, "{error}");
        assert_eq!(standard_error(&[1.0]), None);
    }

    #[test]
    fn a_choice_without_characters_is_never_the_normalized_answer() {
        assert_eq!(argmax([-1.0 / 0.0, -9.0].into_iter()), 1);
    }
}
