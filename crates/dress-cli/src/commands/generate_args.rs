//! The options of `dress generate`.

use super::CommonArgs;
use super::common_args::samples;
use super::generate::Generate;
use super::own_texts::WriteOwnTexts;
use crate::{Error, locate};
use clap::Args;
use dress_models::generation::Sampling;
use std::path::PathBuf;

/// Tokens that are added to a text where nothing is said.
const CONTINUATION: usize = 64;

/// The same of each text that the model draws by itself.
const OWN_TEXT: usize = 1024;

/// Options of `dress generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The text to continue; with --chat, what the user says. With --texts, what every text begins with.
    #[arg(long, required_unless_present = "texts")]
    prompt: Option<String>,
    /// Ask the prompt as a user's message, in the words of the checkpoint's chat template.
    #[arg(long, conflicts_with = "texts")]
    chat: bool,
    /// With --chat, the system's message before it.
    #[arg(long, requires = "chat")]
    system: Option<String>,
    /// Go on after the tokens that end a text by generation_config.json and config.json.
    #[arg(long, conflicts_with = "texts")]
    ignore_eos: bool,
    #[arg(long, help = format!("The most tokens to add; {CONTINUATION}, or {OWN_TEXT} with --texts"))]
    max_new_tokens: Option<usize>,
    /// Draw from the likeliest tokens that together reach this probability.
    #[arg(long, conflicts_with = "texts")]
    top_p: Option<f64>,
    /// Draw, the logits divided by this; greedy without --top-p and --temperature.
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// A token that ends the text, such as `<|im_end|>`; may be given several times.
    #[arg(long, conflicts_with = "texts")]
    stop: Vec<String>,
    /// Write a corpus to calibrate on in place of a continuation: so many texts that the model draws by
    /// itself.
    #[arg(long, requires = "out", value_parser = samples)]
    texts: Option<usize>,
    /// With --texts, the JSON lines file that they go to.
    #[arg(long, requires = "texts")]
    out: Option<PathBuf>,
    /// With --texts, replace a corpus that is there, and what another run or a damaged file has of one.
    #[arg(long, requires = "texts")]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

impl GenerateArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        match (self.texts, self.out.clone()) {
            (Some(texts), Some(out)) => self.own_texts(texts, out)?.run(),
            _ => self.settings()?.run(),
        }
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
            prompt: self.prompt.unwrap_or_default(),
            chat: self.chat,
            system: self.system,
            ignore_eos: self.ignore_eos,
            max_new_tokens: self.max_new_tokens.unwrap_or(CONTINUATION),
            stop: self.stop,
        })
    }

    /// The corpus that they ask for.
    fn own_texts(self, texts: usize, out: PathBuf) -> Result<WriteOwnTexts, Error> {
        Ok(WriteOwnTexts {
            model: locate(&self.model)?,
            context: self.common.context()?,
            prompt: self.prompt,
            texts,
            max_new_tokens: self.max_new_tokens.unwrap_or(OWN_TEXT),
            temperature: self.temperature.unwrap_or(1.0),
            out,
            force: self.force,
        })
    }
}
