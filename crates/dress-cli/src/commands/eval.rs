//! `dress eval`.

use super::CommonArgs;
use super::common_args::{at_least_one, seqlen_or};
use crate::{Error, Evaluation, TerminalProgress, locate, tokenizer};
use clap::Args;
use dress_core::{Fingerprint, parameters};
use dress_data::{BlockConfig, Corpus, CorpusFormat, evaluation_blocks};
use dress_eval::{PerplexityConfig, perplexity};
use std::path::PathBuf;

/// Options of `dress eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The corpus: text, JSONL or Alpaca-style JSON.
    #[arg(long)]
    data: PathBuf,
    /// Tokens a block; by default 2048, or what the model has positions for.
    #[arg(long)]
    seqlen: Option<usize>,
    /// The most blocks, from the start of the text; all by default.
    #[arg(long)]
    max_blocks: Option<usize>,
    /// What stands between two JSON rows, `\n` for a line end.
    #[arg(long, default_value = "\\n\\n")]
    join: String,
    /// Blocks a batch; changes the speed, not the result.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    batch_size: usize,
    #[command(flatten)]
    common: CommonArgs,
}

impl EvalArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let tokenizer = tokenizer(&self.model)?;
        let corpus = Corpus::read(&self.data, CorpusFormat::Auto)?;
        let cut = BlockConfig {
            seqlen: seqlen_or(self.seqlen, 2048, &self.model)?,
            max_blocks: self.max_blocks,
            join: self.join.replace("\\n", "\n"),
        };
        let blocks = evaluation_blocks(&corpus, &tokenizer, &cut)?;
        let model = self.common.load(&self.model)?;
        let config = PerplexityConfig { batch_size: self.batch_size };
        let report = perplexity(&model, &blocks, &config, &TerminalProgress::default())?;
        let evaluation = Evaluation {
            report,
            parameters: parameters::count(&model),
            model: self.model.display().to_string(),
            fingerprint: Fingerprint::of(&model),
            device: self.common.device_name(),
            dtype: self.common.dtype.to_string(),
            dress_version: env!("CARGO_PKG_VERSION").into(),
        };
        self.common.output().print(&evaluation, || {
            format!(
                "perplexity {:.4}{} over {} blocks of {} tokens; {:.1} tokens/s; {} parameters",
                evaluation.report.perplexity,
                evaluation.report.loss_standard_error.map_or(String::new(), |error| {
                    format!(" (standard error {:.4})", error * evaluation.report.perplexity)
                }),
                evaluation.report.data.blocks,
                evaluation.report.data.seqlen,
                evaluation.report.tokens_per_second,
                evaluation.parameters
            )
        });
        Ok(())
    }
}
