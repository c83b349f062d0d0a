//! What can go wrong while evaluating.

use std::path::{Path, PathBuf};

/// Errors of evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A loss that is NaN or infinite.
    #[error(
        "block {block}: the loss is {value}; are the weights damaged, or did half precision overflow? try `dtype = f32`"
    )]
    NotFinite {
        /// The block, from 0.
        block: usize,
        /// Its loss.
        value: f64,
    },
    /// A picture of nothing.
    #[error("`{panel}` has no point to draw")]
    NothingToPlot {
        /// The panel's title.
        panel: String,
    },
    /// Nothing to evaluate on.
    #[error("there is no block to evaluate on")]
    NoData,
    /// A kept evaluation that two processes would write to.
    #[error("{path}: another run is writing there; wait for its end, or keep results in another place", path = .path.display())]
    JournalInUse {
        /// The file.
        path: PathBuf,
    },
    /// Kept results that are not what was written.
    #[error("{path}, line {line}: a kept result that is damaged, or of an earlier version; remove that file, or give `force`, and the same command computes it again", path = .path.display())]
    DamagedJournal {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A task that is not built in.
    #[error(
        "there is no task `{name}`; the built-in ones are {known}, and a task of your own is given by its file's path"
    )]
    UnknownTask {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A task file that is none.
    #[error("{path}: not a task: {reason}; docs/reference/evaluation.md describes the file", path = .path.display())]
    TaskFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A task without its rows.
    #[error("{task}: none of {names} is in {directory}; give its file as {task}=FILE", directory = .directory.display())]
    NoTaskData {
        /// The task.
        task: String,
        /// Where it was looked for.
        directory: PathBuf,
        /// The names that were looked for.
        names: String,
    },
    /// A file without a row.
    #[error("{path}: there is no row in this file; give the split that has the labels", path = .path.display())]
    EmptySplit {
        /// The file.
        path: PathBuf,
    },
    /// A row that is no JSON object.
    #[error("{path}: row {row} is not a JSON object: {reason}; correct or delete it", path = .path.display())]
    MalformedRow {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// A Parquet file that cannot be read.
    #[error("{path}: not a Parquet file that can be read here: {reason}; convert it to JSONL", path = .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        reason: String,
    },
    /// As many labels as rows are needed.
    #[error("{path}: {labels} labels for {rows} rows; give the labels of this split", path = .path.display())]
    LabelCount {
        /// The labels' file.
        path: PathBuf,
        /// Labels there are.
        labels: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A template that does not fit a row.
    #[error("row {row}: `{field}` of the task file fails: {reason}")]
    Template {
        /// The field of the task file.
        field: &'static str,
        /// The row, from 1.
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// A row whose answer is not among its choices, as in a test split without labels.
    #[error(
        "{task}: the label of row {row} is {found}, which is none of its {choices} choices; give a split with labels"
    )]
    Label {
        /// The task.
        task: String,
        /// The row, from 1.
        row: usize,
        /// The label.
        found: String,
        /// How many choices there are.
        choices: usize,
    },
    /// A row of which no answer is accepted, as in a test split without answers.
    #[error("{task}: row {row} has no accepted answer; give a split with answers, or leave the row out")]
    NoAnswer {
        /// The task.
        task: String,
        /// The row, from 1.
        row: usize,
    },
    /// A regular expression of a task file that is none.
    #[error("`{pattern}` is not a regular expression: {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Too few rows to draw examples from.
    #[error("{path}: {found} rows, {needed} are needed to draw the examples; give a larger file or a smaller `fewshot`", path = .path.display())]
    TooFewExamples {
        /// The file.
        path: PathBuf,
        /// The rows there are.
        found: usize,
        /// The rows it takes.
        needed: usize,
    },
    /// A continuation of which nothing is left to score.
    #[error(
        "the continuation {continuation:?} has no token of its own, so it has no likelihood; correct the row"
    )]
    EmptyContinuation {
        /// The text.
        continuation: String,
    },
    /// An empty context without a token that stands in for it.
    #[error(
        "the context is empty, and the tokenizer names no token that begins a text; put bos_token into \
         tokenizer_config.json"
    )]
    NoPrefixToken,
    /// A continuation longer than the model.
    #[error(
        "a continuation of {tokens} tokens is longer than the model's {positions} positions; leave the row out"
    )]
    ContinuationTooLong {
        /// Its tokens.
        tokens: usize,
        /// The model's positions.
        positions: usize,
    },
    /// A likelihood that is NaN or infinite.
    #[error(
        "row {row}, choice {request}: the log-likelihood is {value}; are the weights damaged, or did half precision \
         overflow? try `dtype = f32`", row = .question + 1
    )]
    LikelihoodNotFinite {
        /// The row, from 0.
        question: usize,
        /// The request, from 0.
        request: usize,
        /// Its log-likelihood.
        value: f64,
    },
    /// A temperature that nothing can be drawn by.
    #[error(
        "a `temperature` of {temperature}: texts are drawn, so it has to be above 0; 1 draws what the model itself expects"
    )]
    Temperature {
        /// The temperature.
        temperature: f64,
    },
    /// A model without room for a prompt.
    #[error(
        "{new} new tokens leave no room for a prompt within the model's {positions} positions; lower `max_new_tokens`, which \
         of a task is in a task file of your own"
    )]
    NoRoomToGenerate {
        /// The most new tokens.
        new: usize,
        /// The model's positions.
        positions: usize,
    },
    /// Logits that are NaN or infinite.
    #[error(
        "row {row}: the logits are not finite after {tokens} new tokens; are the weights damaged, or did half precision \
         overflow? try `dtype = f32`", row = .question + 1
    )]
    LogitsNotFinite {
        /// The row, from 0.
        question: usize,
        /// Tokens that were generated before.
        tokens: usize,
    },
    /// An error with the row that led to it.
    #[error("{task}, row {row}: {cause}")]
    Row {
        /// The task.
        task: String,
        /// The row, from 1.
        row: usize,
        /// What is wrong.
        cause: Box<Error>,
    },
    /// An error with the task that led to it.
    #[error("task `{task}`: {cause}")]
    InTask {
        /// The task.
        task: String,
        /// What is wrong.
        cause: Box<Error>,
    },
    /// An error with the file that led to it.
    #[error("{path}: {cause}", path = .path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: Box<Error>,
    },
    /// More tokens to time than the model has positions.
    #[error(
        "{tokens} tokens to measure the speed of, and this model has {positions} positions; lower {options}"
    )]
    SpeedTooLong {
        /// The tokens.
        tokens: usize,
        /// Positions of the model.
        positions: usize,
        /// The options that say how many.
        options: &'static str,
    },
    /// Two models that do not share their tokens.
    #[error(
        "vocabularies of {found} and {expected} tokens cannot be compared; give the model that it was made from"
    )]
    OtherVocabulary {
        /// Tokens of the model.
        found: usize,
        /// Tokens of the other.
        expected: usize,
    },
    /// Nothing to measure.
    #[error(
        "speed is measured over at least one round, a prompt and two new tokens; raise the smallest of them"
    )]
    NoRounds,
    /// A report that is none.
    #[error("{path}: not a report: {cause}; give what `Report::to_json` wrote", path = .path.display())]
    ReportUnreadable {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// A report of another version.
    #[error("{path}: a report of format {found}, this version reads {expected}; evaluate again", path = .path.display())]
    ReportFormat {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// Of corpora and tokenizers.
    #[error(transparent)]
    Data(#[from] dress_data::Error),
    /// An error of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
}

impl Error {
    /// The same with the task that led to it, where it does not name one.
    pub(crate) fn in_task(self, task: &str) -> Self {
        match self {
            Error::Template { .. } => Error::InTask { task: task.into(), cause: Box::new(self) },
            error => error,
        }
    }

    /// The same with the file that led to it, where it does not name one.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Error::Template { .. } | Error::InTask { .. } | Error::Label { .. } | Error::NoAnswer { .. } => {
                Error::InFile { path: path.into(), cause: Box::new(self) }
            }
            error => error,
        }
    }
}
