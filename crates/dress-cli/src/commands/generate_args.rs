//! The options of `dress generate`.

use super::CommonArgs;
use super::generate::Generate;
use crate::{Error, locate};
use clap::Args;
use dress_models::generation::Sampling;
use std::path::PathBuf;

/// Options of `dress generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The text to continue; with --chat, what the user says.
    #[arg(long)]
    prompt: String,
    /// Ask the prompt as a user's message, in the words of the checkpoint's chat template.
    #[arg(long)]
    chat: bool,
    /// With --chat, the system's message before it.
    #[arg(long, requires = "chat")]
    system: Option<String>,
    /// Go on after the tokens that end a text by generation_config.json and config.json.
    #[arg(long)]
    ignore_eos: bool,
    /// The most tokens to add.
    #[arg(long, default_value_t = 64)]
    max_new_tokens: usize,
    /// Draw from the likeliest tokens that together reach this probability.
    #[arg(long)]
    top_p: Option<f64>,
    /// Draw, the logits divided by this; greedy without --top-p and --temperature.
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// A token that ends the text, such as `<|im_end|>`; may be given several times.
    #[arg(long)]
    stop: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
}

impl GenerateArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        self.settings()?.run()
    }

    /// What they ask for.
    fn settings(self) -> Result<Generate, Error> {
        let sampling = match (self.top_p, self.temperature) {
            (None, None) => Sampling::Greedy,
            (top_p, temperature) => Sampling::TopP {
                top_p: top_p.unwrap_or(1.0),
                temperature: temperature.unwrap_or(1.0),
                seed: self.common.seed,
            },
        };
        Ok(Generate {
            model: locate(&self.model)?,
            context: self.common.context()?,
            sampling,
            prompt: self.prompt,
            chat: self.chat,
            system: self.system,
            ignore_eos: self.ignore_eos,
            max_new_tokens: self.max_new_tokens,
            stop: self.stop,
        })
    }
}
