//! The options of `dress costs`.

use super::CommonArgs;
use super::common_args::{at_least_one, or_none};
use super::costs::Costs;
use crate::{Error, locate};
use clap::Args;
use dress_eval::SpeedConfig;
use std::path::PathBuf;

/// Tokens of the prefill where the model has positions for them.
const PREFILL: usize = 512;

/// Options of `dress costs`.
#[derive(Debug, Args)]
pub struct CostsArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub. It and halves of
    /// it, three to four times its size, are in memory together.
    #[arg(long)]
    model: PathBuf,
    /// The file to write, for --costs of score and prune.
    #[arg(long)]
    out: PathBuf,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    #[arg(
        long,
        help = format!("Tokens of the prefill; by default {PREFILL}, or what the model has positions for"),
        value_parser = at_least_one
    )]
    prefill_tokens: Option<usize>,
    /// Tokens of the prompt that decoding starts from.
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    prompt_tokens: usize,
    /// Tokens that are decoded.
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    new_tokens: usize,
    /// Measured rounds of every shape.
    #[arg(long, default_value_t = 7, value_parser = at_least_one)]
    rounds: usize,
    /// Rounds before, which are not counted.
    #[arg(long, default_value_t = 1, value_parser = or_none)]
    warmup: usize,
    #[command(flatten)]
    common: CommonArgs,
}

impl CostsArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        self.settings()?.run()
    }

    /// What they ask for.
    fn settings(&self) -> Result<Costs, Error> {
        let model = locate(&self.model)?;
        let positions = crate::max_positions(&model)?;
        let config = SpeedConfig {
            prefill_tokens: self.prefill_tokens.unwrap_or(PREFILL.min(positions)),
            prompt_tokens: self.prompt_tokens,
            new_tokens: self.new_tokens,
            batches: Vec::new(),
            repeats: self.rounds,
            warmup: self.warmup,
        };
        config.check(positions)?;
        let context = self.common.context()?;
        Ok(Costs { model, config, out: self.out.clone(), force: self.force, context })
    }
}
