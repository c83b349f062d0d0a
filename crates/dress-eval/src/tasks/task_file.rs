//! What a task is: a small declarative file.

use super::generated_answer::GeneratedAnswer;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A task: how a row of a data set becomes contexts, continuations and an answer. The fields of [`TaskKind`]
/// are templates and expressions over the row's fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskFile {
    /// What results call it.
    pub name: String,
    /// What is asked of the model.
    #[serde(flatten)]
    pub kind: TaskKind,
    /// The files that may hold the rows, by their usual names; the first that is there is taken.
    #[serde(default)]
    pub data: Vec<PathBuf>,
    /// The files that examples may be drawn from, likewise.
    #[serde(default)]
    pub fewshot_data: Vec<PathBuf>,
    /// Draw examples without leaving the evaluated row out, as `lm_eval` does where a task's examples come
    /// from another split than the one that is its test split.
    #[serde(default)]
    pub fewshot_keeps_evaluated: bool,
    /// What stands between context and continuation.
    #[serde(default = "space")]
    pub target_delimiter: String,
    /// What stands behind each example.
    #[serde(default = "empty_line")]
    pub fewshot_delimiter: String,
    /// What is measured.
    pub metrics: Vec<Metric>,
    /// The metric that papers report.
    pub headline: Metric,
}

/// What is asked of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TaskKind {
    /// Which of several continuations follows one context.
    MultipleChoice {
        /// A template.
        context: String,
        /// An expression: a list of texts.
        choices: String,
        /// An expression: the right choice, by its index or its text.
        gold: String,
    },
    /// After which of several contexts one continuation follows.
    MultipleInput {
        /// An expression: a list of texts.
        contexts: String,
        /// A template.
        continuation: String,
        /// An expression: the right context, by its index.
        gold: String,
    },
    /// How likely one continuation is, and whether every token of it is the likeliest.
    Loglikelihood {
        /// A template.
        context: String,
        /// A template; nothing is put between it and the context.
        target: String,
    },
    /// Which text the model goes on with.
    GenerateUntil(GeneratedAnswer),
}

impl TaskKind {
    /// Whether the model writes the answers itself.
    pub fn generates(&self) -> bool {
        matches!(self, Self::GenerateUntil(_))
    }

    /// Whether a metric can be taken of the answers.
    fn has(&self, metric: Metric) -> bool {
        match self {
            Self::MultipleChoice { .. } | Self::MultipleInput { .. } => {
                matches!(metric, Metric::Acc | Metric::AccNorm)
            }
            Self::Loglikelihood { .. } => matches!(metric, Metric::Acc | Metric::Perplexity),
            Self::GenerateUntil(_) => metric == Metric::ExactMatch,
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The share of rows whose right choice is the likeliest; for a log-likelihood, whose every token is.
    Acc,
    /// The share of rows whose right choice is the likeliest a character.
    AccNorm,
    /// `exp` of the mean negative log-likelihood of the targets.
    Perplexity,
    /// The share of rows whose generated text is an accepted answer.
    ExactMatch,
}

impl Metric {
    /// The metric's name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Acc => "acc",
            Metric::AccNorm => "acc_norm",
            Metric::Perplexity => "perplexity",
            Metric::ExactMatch => "exact_match",
        }
    }
}

/// The task files that come with this crate.
const BUILT_IN: [&str; 12] = [
    include_str!("files/piqa.toml"),
    include_str!("files/hellaswag.toml"),
    include_str!("files/winogrande.toml"),
    include_str!("files/arc_easy.toml"),
    include_str!("files/arc_challenge.toml"),
    include_str!("files/boolq.toml"),
    include_str!("files/openbookqa.toml"),
    include_str!("files/lambada_openai.toml"),
    include_str!("files/copa.toml"),
    include_str!("files/sciq.toml"),
    include_str!("files/mmlu.toml"),
    include_str!("files/triviaqa.toml"),
];

/// The five tasks whose plain mean the pruning papers report.
pub const PAPER_TASKS: [&str; 5] = ["piqa", "hellaswag", "winogrande", "arc_easy", "arc_challenge"];

impl TaskFile {
    /// The tasks that come with this crate.
    pub fn built_in() -> Vec<Self> {
        let parse = |text: &&str| toml::from_str(text).expect("a test reads every built-in task");
        BUILT_IN.iter().map(parse).collect()
    }

    /// The built-in task of that name.
    ///
    /// # Errors
    /// [`Error::UnknownTask`], with the names there are.
    ///
    /// # Examples
    /// ```
    /// use dress_eval::tasks::TaskFile;
    ///
    /// assert_eq!(TaskFile::named("piqa")?.name, "piqa");
    /// assert!(TaskFile::named("pica").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named(name: &str) -> Result<Self, Error> {
        let tasks = Self::built_in();
        let names = tasks.iter().map(|task| task.name.clone()).collect::<Vec<_>>().join(", ");
        let found = tasks.into_iter().find(|task| task.name == name);
        found.ok_or_else(|| Error::UnknownTask { name: name.into(), known: names })
    }

    /// Reads a task file, JSON if its name says so, else TOML. Its data files are looked for beside it.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::TaskFile`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let io = |cause| Error::Io { path: path.into(), cause };
        let text = dress_core::files::read_to_string(path).map_err(io)?;
        let invalid = |reason: String| Error::TaskFile { path: path.into(), reason };
        let json = path.extension().is_some_and(|ending| ending == "json");
        let mut task: Self = match json {
            true => serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?,
            false => toml::from_str(&text).map_err(|error| invalid(error.message().to_string()))?,
        };
        if let Some(reason) = task.contradiction() {
            return Err(invalid(reason.into()));
        }
        let beside = std::path::absolute(path).map_err(io)?;
        let beside = beside.parent().unwrap_or(Path::new("/"));
        for data in task.data.iter_mut().chain(&mut task.fewshot_data) {
            *data = beside.join(&data);
        }
        Ok(task)
    }

    /// What of the file does not go together.
    fn contradiction(&self) -> Option<&'static str> {
        if !self.metrics.contains(&self.headline) {
            return Some("`headline` has to be one of `metrics`");
        }
        if !self.metrics.iter().all(|&metric| self.kind.has(metric)) {
            return Some(
                "`acc` and `acc_norm` are for choices, `acc` and `perplexity` for `loglikelihood`, `exact_match` for \
                 `generate_until`",
            );
        }
        let TaskKind::GenerateUntil(generated) = &self.kind else { return None };
        let stops_at_once = generated.until.iter().any(String::is_empty);
        stops_at_once.then_some("an empty text in `until` would end every answer before it begins")
    }

    /// The first data file that is there, under `directory`.
    ///
    /// # Errors
    /// [`Error::NoTaskData`], with the names that were looked for.
    pub fn find_data(&self, directory: &Path) -> Result<PathBuf, Error> {
        let found = first_in(&self.data, directory, &self.name);
        found.ok_or_else(|| {
            let names: Vec<String> = self.data.iter().map(|path| path.display().to_string()).collect();
            Error::NoTaskData {
                task: self.name.clone(),
                directory: directory.into(),
                names: names.join(", "),
            }
        })
    }

    /// The first file with rows for examples that is there, under `directory`.
    pub fn find_fewshot_data(&self, directory: &Path) -> Option<PathBuf> {
        first_in(&self.fewshot_data, directory, &self.name)
    }
}

/// A file of its own name in the directory of the task's name is preferred, as several sets have the same
/// file names.
fn first_in(names: &[PathBuf], directory: &Path, task: &str) -> Option<PathBuf> {
    let own = names.iter().map(|name| directory.join(task).join(name));
    let named = |name: &&PathBuf| {
        name.components().count() > 1 || name.to_string_lossy().starts_with(first_word(task))
    };
    let shared = names.iter().filter(named).map(|name| directory.join(name));
    own.chain(shared).find(|path| path.is_file())
}

fn first_word(task: &str) -> &str {
    task.split('_').next().unwrap_or(task)
}

fn space() -> String {
    " ".into()
}

fn empty_line() -> String {
    "\n\n".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_task_is_read_and_found_by_name() {
        for task in TaskFile::built_in() {
            assert_eq!(TaskFile::named(&task.name).unwrap(), task);
            assert!(task.metrics.contains(&task.headline));
        }
        let says = TaskFile::named("mmlus").unwrap_err().to_string();
        assert!(says.contains("mmlus") && says.contains("hellaswag"), "{says}");
    }

    #[test]
    fn a_task_of_ones_own_is_read_from_toml_and_json() {
        let directory = tempfile::tempdir().unwrap();
        let toml = directory.path().join("mine.toml");
        let text = "name = 'mine'\nkind = 'loglikelihood'\ndata = ['rows.jsonl']\ncontext = '{{ a }}'\n\
                    target = ' {{ b }}'\nmetrics = ['acc']\nheadline = 'acc'\n";
        std::fs::write(&toml, text).unwrap();
        let task = TaskFile::read(&toml).unwrap();
        assert_eq!(task.data, [directory.path().join("rows.jsonl")]);
        let json = directory.path().join("mine.json");
        let same = TaskFile { data: vec!["rows.jsonl".into()], ..task.clone() };
        std::fs::write(&json, serde_json::to_string(&same).unwrap()).unwrap();
        assert_eq!(TaskFile::read(&json).unwrap(), task);
    }

    #[test]
    fn a_task_of_generated_answers_is_read_from_toml_and_json() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.json");
        let triviaqa = TaskFile::named("triviaqa").unwrap();
        std::fs::write(&path, serde_json::to_string(&triviaqa).unwrap()).unwrap();
        assert_eq!(TaskFile::read(&path).unwrap().kind, triviaqa.kind);
        let refusal = |fields: &str| {
            let path = directory.path().join("mine.toml");
            let head = "name = 'mine'\nkind = 'generate_until'\ncontext = '{{ a }}'\nanswers = '[b]'\n";
            std::fs::write(&path, format!("{head}{fields}")).unwrap();
            TaskFile::read(&path).map(|task| task.name).map_err(|error| error.to_string())
        };
        let metric = "metrics = ['exact_match']\nheadline = 'exact_match'\n";
        assert_eq!(refusal(metric).unwrap(), "mine");
        let says = refusal("metrics = ['acc']\nheadline = 'acc'\n").unwrap_err();
        assert!(says.contains("`exact_match` for `generate_until`"), "{says}");
        for (field, part) in [
            ("until = ['.', '']", "an empty text in `until`"),
            ("max_new_tokens = 0", "nonzero"),
            ("regexes_to_ignore = ['(the']", "`(the` is not a regular expression"),
            ("until = '.'", "sequence"),
        ] {
            let says = refusal(&format!("{field}\n{metric}")).unwrap_err();
            assert!(says.contains("mine.toml") && says.contains(part), "{says}");
        }
    }

    #[test]
    fn a_task_file_that_is_none_says_what_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.toml");
        std::fs::write(&path, "name = 'mine'\nkind = 'multiple_choice'\n").unwrap();
        let says = TaskFile::read(&path).unwrap_err().to_string();
        assert!(says.contains("mine.toml") && says.contains("missing field"), "{says}");
    }
}
