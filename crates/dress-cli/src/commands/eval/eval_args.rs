//! The options of `dress eval`.

use super::Eval;
use super::measurement_args::{SpeedArgs, TextArgs};
use super::task_args::TaskArgs;
use crate::commands::CommonArgs;
use crate::commands::common_args::RESULT;
use crate::commands::dry_run::DryRunArgs;
use crate::commands::short_help::FIRST;
use crate::evaluation::EvaluationPlan;
use crate::{Error, locate};
use clap::{ArgGroup, Args};
use dress_eval::PerplexityConfig;
use dress_eval::journal::ResultCache;
use std::path::PathBuf;

/// Options of `dress eval`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(FIRST).multiple(true).args([
    "data", "protocol", "seqlen", "max_blocks", "tasks", "task_data", "speed", "dry_run",
]))]
pub struct EvalArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long, group = FIRST)]
    model: PathBuf,
    /// The model that it was made from, or any other with the same tokenizer: measured alike, and how far the
    /// checkpoint is from it.
    #[arg(long, group = FIRST)]
    against: Option<PathBuf>,
    /// What reports call the checkpoint; by default its directory's name.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    tasks: TaskArgs,
    #[command(flatten)]
    speed: SpeedArgs,
    /// A directory for report.json, report.md and report.html. Run again, it goes on where it was broken off.
    #[arg(long, help_heading = RESULT, group = FIRST)]
    out: Option<PathBuf>,
    /// Where results are kept and found again, for any model, text and task; by default OUT/cache.
    #[arg(long, help_heading = RESULT)]
    cache: Option<PathBuf>,
    /// A JSONL file for every request of every task with its log-likelihood, or with the text that the model
    /// wrote.
    #[arg(long, help_heading = RESULT, requires = "tasks")]
    requests: Option<PathBuf>,
    /// Replace the report of another model or of other settings at --out, the requests, and kept results that
    /// are damaged.
    #[arg(long, help_heading = RESULT)]
    force: bool,
    #[command(flatten)]
    dry_run: DryRunArgs,
    #[command(flatten)]
    common: CommonArgs,
}

impl EvalArgs {
    pub(in crate::commands) fn run(self) -> Result<(), Error> {
        let dry = self.dry_run.dry_run;
        let eval = self.settings()?;
        if dry { eval.dry_run() } else { eval.run() }
    }

    /// What they ask for.
    fn settings(self) -> Result<Eval, Error> {
        let against = self.against.as_deref().map(locate).transpose()?;
        let models: Vec<PathBuf> = std::iter::once(locate(&self.model)?).chain(against).collect();
        Ok(Eval {
            plan: self.plan(&models)?,
            models,
            context: self.common.context()?,
            model: self.model,
            against: self.against,
            name: self.name,
            out: self.out,
            requests: self.requests,
            force: self.force,
        })
    }

    fn plan(&self, models: &[PathBuf]) -> Result<EvaluationPlan, Error> {
        let cache = self.cache.clone().or_else(|| self.out.as_ref().map(|out| out.join("cache")));
        let (text, tasks, speed) =
            (self.text.windows(&models[0])?, self.tasks.tasks()?, self.speed.config(models)?);
        if text.is_none() && tasks.is_empty() && speed.is_none() {
            return Err(Error::NothingToMeasure);
        }
        Ok(EvaluationPlan {
            text,
            perplexity: PerplexityConfig { batch_size: self.text.batch_size },
            tasks,
            task_config: self.tasks.config(),
            speed,
            cache: cache.map(|directory| ResultCache::new(&directory).replacing_damaged(self.force)),
        })
    }
}
