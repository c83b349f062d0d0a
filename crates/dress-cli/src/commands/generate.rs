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
    /// Draw from the likeliest tokens that together reach this probability; greedy without it.
    #[arg(long)]
    top_p: Option<f64>,
    /// Divides the logits before drawing.
    #[arg(long, default_value_t = 1.0, requires = "top_p")]
    temperature: f64,
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
        let (temperature, seed) = (self.temperature, self.common.seed);
        let nucleus = |top_p| Sampling::TopP { top_p, temperature, seed };
        let config = GenerationConfig {
            max_new_tokens: self.max_new_tokens,
            sampling: self.top_p.map_or(Sampling::Greedy, nucleus),
            stop: self.stop.iter().filter_map(|token| tokenizer.token_id(token)).collect(),
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
