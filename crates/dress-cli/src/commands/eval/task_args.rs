//! The options of tasks.

use crate::Error;
use crate::commands::common_args::{at_least_one, or_none};
use clap::Args;
use dress_eval::scoring::BatchConfig;
use dress_eval::tasks::{FEWSHOT_SEED, PAPER_TASKS, Rows, Task, TaskConfig, TaskFile};
use std::path::{Path, PathBuf};

/// Which tasks, and how they are run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tasks")]
pub struct TaskArgs {
    /// Tasks with commas: piqa, hellaswag, winogrande, arc_easy, arc_challenge, boolq, openbookqa,
    /// lambada_openai, copa, sciq, mmlu, triviaqa, `papers` for the first five, `all` for those whose rows
    /// are there, or the path of a task file of your own. NAME=FILE says where its rows are.
    #[arg(long, value_delimiter = ',')]
    tasks: Vec<String>,
    /// Where the tasks' files are, under the names that they are published by.
    #[arg(long, requires = "tasks", default_value = ".")]
    task_data: PathBuf,
    /// Examples before each question.
    #[arg(long, requires = "tasks", default_value_t = 0, value_parser = or_none)]
    fewshot: usize,
    /// Seed of the examples' draw, which is Python's.
    #[arg(long, requires = "tasks", default_value_t = FEWSHOT_SEED)]
    fewshot_seed: u32,
    /// The most rows of each task, from the first on.
    #[arg(long, requires = "tasks", value_parser = at_least_one)]
    limit: Option<usize>,
    /// The most tokens that go through the model at once; changes the speed, not the result.
    #[arg(long, requires = "tasks", default_value_t = BatchConfig::default().max_tokens, value_parser = at_least_one)]
    batch_tokens: usize,
}

impl TaskArgs {
    /// The tasks with their rows.
    pub(super) fn tasks(&self) -> Result<Vec<Task>, Error> {
        let mut tasks = Vec::new();
        for given in &self.tasks {
            match given.as_str() {
                "papers" => {
                    for name in PAPER_TASKS {
                        tasks.push(self.task(name)?);
                    }
                }
                "all" => {
                    tasks.extend(self.all()?);
                }
                given => tasks.push(self.task(given)?),
            }
        }
        Ok(tasks)
    }

    /// The tasks that come with `dress-eval` and whose rows are there.
    fn all(&self) -> Result<Vec<Task>, Error> {
        let files = TaskFile::built_in();
        let (there, missing): (Vec<_>, Vec<_>) =
            files.iter().partition(|file| file.find_data(&self.task_data).is_ok());
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|file| file.name.as_str()).collect();
            tracing::warn!("no rows of {} in {}", names.join(", "), self.task_data.display());
        }
        // Where there are no rows at all, the first task's error says which are looked for.
        let asked = if there.is_empty() { files.iter().take(1).collect() } else { there };
        asked.into_iter().map(|file| self.task(&file.name)).collect()
    }

    fn task(&self, given: &str) -> Result<Task, Error> {
        let (name, data) = match given.split_once('=') {
            Some((name, data)) => (name, Some(PathBuf::from(data))),
            None => (given, None),
        };
        let is_file = [".toml", ".json"].iter().any(|ending| name.ends_with(ending));
        let file = if is_file { TaskFile::read(Path::new(name))? } else { TaskFile::named(name)? };
        let data = match data {
            Some(data) => data,
            None => file.find_data(&self.task_data)?,
        };
        let examples = if self.fewshot > 0 { file.find_fewshot_data(&self.task_data) } else { None };
        let fewshot_rows = examples.map(|path| Rows::read(&path)).transpose()?;
        Ok(Task { rows: Rows::read(&data)?, file, fewshot_rows })
    }

    /// How they are run.
    pub(super) fn config(&self) -> TaskConfig {
        TaskConfig {
            fewshot: self.fewshot,
            fewshot_seed: self.fewshot_seed,
            limit: self.limit,
            batch: BatchConfig { max_tokens: self.batch_tokens },
            ..TaskConfig::default()
        }
    }
}
