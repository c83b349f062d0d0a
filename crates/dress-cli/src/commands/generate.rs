//! `dress generate`.

use super::CommonArgs;
use crate::{Error, locate, tokenizer};
use clap::Args;
use dress_models::generation::{GenerationConfig, Sampling, generate};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Options of `dress generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    /// The text to continue.
    #[arg(long)]
    prompt: String,
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
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let tokenizer = tokenizer(&self.model)?;
        let prompt = tokenizer.encode(&self.prompt, true)?;
        let model = self.common.load(&self.model)?;
        let sampling = match (self.top_p, self.temperature) {
            (None, None) => Sampling::Greedy,
            (top_p, temperature) => Sampling::TopP {
                top_p: top_p.unwrap_or(1.0),
                temperature: temperature.unwrap_or(1.0),
                seed: self.common.seed,
            },
        };
        let stop = |token: &String| {
            tokenizer.token_id(token).ok_or_else(|| Error::NoSuchToken { token: token.clone() })
        };
        let config = GenerationConfig {
            max_new_tokens: self.max_new_tokens,
            sampling,
            stop: self.stop.iter().map(stop).collect::<Result<_, _>>()?,
        };
        let began = Instant::now();
        let tokens = generate(&model, &prompt, &config, |_| ())?;
        let seconds = began.elapsed().as_secs_f64();
        let text = tokenizer.decode(&tokens)?;
        let report = json!({
            "prompt": self.prompt,
            "text": text,
            "tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": tokens.len() as f64 / seconds,
        });
        self.common.output().print(&report, || format!("{}{text}", self.prompt));
        Ok(())
    }
}
