//! The options of perplexity and speed.

use crate::commands::common_args::{at_least_one, or_none, tokens_of_a_block};
use crate::commands::listed::{bos, protocol};
use crate::{Error, row_text};
use clap::Args;
use dress_core::seqlen_or;
use dress_data::{Bos, Corpus, CorpusFormat, Protocol, WindowConfig};
use dress_eval::SpeedConfig;
use dress_study::EvaluationTexts;
use std::path::{Path, PathBuf};

/// The text that perplexity is measured on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Perplexity")]
pub struct TextArgs {
    /// The corpus: text, JSON, CSV or Parquet, also compressed; a folder, several with commas, or - for
    /// standard input.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The field of --data's rows that is their text.
    #[arg(long, value_name = "NAME", requires = "data")]
    text_field: Option<String>,
    /// How the papers prepare this corpus.
    #[arg(long, value_parser = protocol(), requires = "data", conflicts_with = "join")]
    protocol: Option<Protocol>,
    #[arg(long, help = tokens_of_a_block(EvaluationTexts::USUAL_SEQLEN))]
    seqlen: Option<usize>,
    /// Tokens from one block's start to the next, for blocks that overlap: each token counts once.
    #[arg(long, requires = "data", value_parser = at_least_one)]
    stride: Option<usize>,
    /// The most blocks, from the start of the text; all by default.
    #[arg(long, value_parser = at_least_one)]
    max_blocks: Option<usize>,
    /// What stands between two JSON rows, `\n` for a line end.
    #[arg(long, default_value = "\\n\\n")]
    join: String,
    /// Where the token stands that begins a text.
    #[arg(long, default_value_t = Bos::Tokenizer, value_parser = bos())]
    bos: Bos,
    /// Blocks a batch; changes the speed, not the result.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub(super) batch_size: usize,
}

impl TextArgs {
    /// The text and how it is cut, for a model of that many positions.
    pub(super) fn windows(&self, model: &Path) -> Result<Option<(Corpus, WindowConfig)>, Error> {
        let Some(data) = &self.data else { return Ok(None) };
        let config = WindowConfig {
            stride: self.stride,
            max_windows: self.max_blocks,
            join: self.join.replace("\\n", "\n"),
            protocol: self.protocol,
            bos: self.bos,
            ..WindowConfig::new(seqlen_or(
                self.seqlen,
                EvaluationTexts::USUAL_SEQLEN,
                crate::max_positions(model)?,
            )?)
        };
        let rows = row_text(model, &crate::tokenizer(model)?, self.text_field.as_deref());
        Ok(Some((Corpus::read_as(data, CorpusFormat::Auto, &rows)?, config)))
    }
}

/// What is measured of the speed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Speed")]
pub struct SpeedArgs {
    /// Measure prefill, first token, decoding, throughput and memory; with --against, both in turn.
    #[arg(long)]
    speed: bool,
    #[arg(
        long,
        help = format!(
            "Tokens of the prefill; by default {}, or what the model has positions for",
            SpeedConfig::default().prefill_tokens
        ),
        requires = "speed",
        value_parser = at_least_one
    )]
    prefill_tokens: Option<usize>,
    /// Tokens of the prompt that decoding starts from.
    #[arg(long, requires = "speed", default_value_t = SpeedConfig::default().prompt_tokens, value_parser = at_least_one)]
    prompt_tokens: usize,
    /// Tokens that are decoded.
    #[arg(long, requires = "speed", default_value_t = SpeedConfig::default().new_tokens, value_parser = at_least_one)]
    new_tokens: usize,
    /// Rows decoded together, with commas.
    #[arg(long, requires = "speed", value_delimiter = ',', default_values_t = SpeedConfig::default().batches, value_parser = at_least_one)]
    batches: Vec<usize>,
    /// Measured rounds, of which medians are taken; throughput takes a tenth of them.
    #[arg(long, requires = "speed", default_value_t = SpeedConfig::default().repeats, value_parser = at_least_one)]
    rounds: usize,
    /// Rounds before, which are not counted.
    #[arg(long, requires = "speed", default_value_t = SpeedConfig::default().warmup, value_parser = or_none)]
    warmup: usize,
}

impl SpeedArgs {
    /// The settings, where speed is measured, checked for `models`.
    pub(super) fn config(&self, models: &[PathBuf]) -> Result<Option<SpeedConfig>, Error> {
        if !self.speed {
            return Ok(None);
        }
        let positions =
            models.iter().map(|model| crate::max_positions(model)).collect::<Result<Vec<_>, _>>()?;
        let positions = positions.into_iter().min().unwrap_or(usize::MAX);
        let config = SpeedConfig {
            prefill_tokens: self
                .prefill_tokens
                .unwrap_or(SpeedConfig::default().prefill_tokens.min(positions)),
            prompt_tokens: self.prompt_tokens,
            new_tokens: self.new_tokens,
            batches: self.batches.clone(),
            repeats: self.rounds,
            warmup: self.warmup,
        };
        config.check(positions)?;
        Ok(Some(config))
    }
}
