//! The options of `dress logits`.

use super::CommonArgs;
use super::logits::Logits;
use crate::{Error, locate};
use clap::Args;
use dress_study::TextSource;
use std::path::PathBuf;

/// Options of `dress logits`.
#[derive(Debug, Args)]
pub struct LogitsArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The text whose first tokens go through the model.
    #[arg(long)]
    data: PathBuf,
    /// The field of --data's rows that is their text.
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,
    /// How many tokens.
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// How many tokens to add, greedily, to the first eight.
    #[arg(long, default_value_t = 32)]
    max_new_tokens: usize,
    /// The safetensors file to write: input_ids, logits, prompt, greedy.
    #[arg(long)]
    out: PathBuf,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl LogitsArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let context = self.common.context()?;
        Logits {
            model: locate(&self.model)?,
            text: TextSource { path: self.data, text_field: self.text_field },
            tokens: self.tokens,
            max_new_tokens: self.max_new_tokens,
            out: self.out,
            force: self.force,
            context,
        }
        .run()
    }
}
