//! `dress generate`.

use super::CommonArgs;
use crate::model_files::chat_template;
use crate::{Error, locate, tokenizer};
use clap::Args;
use dress_data::{ChatMessage, Tokenizer};
use dress_models::end_tokens;
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
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let tokenizer = tokenizer(&self.model)?;
        let prompt = self.prompt_tokens(&tokenizer)?;
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
        let mut stop = self.stop.iter().map(stop).collect::<Result<Vec<_>, _>>()?;
        if !self.ignore_eos {
            stop.extend(end_tokens(&self.model)?);
        }
        let config = GenerationConfig { max_new_tokens: self.max_new_tokens, sampling, stop };
        let began = Instant::now();
        let tokens = generate(&model, &prompt, &config, |_| ())?;
        let seconds = began.elapsed().as_secs_f64();
        let ended_by = tokens.last().filter(|last| config.stop.contains(last)).copied();
        let text = text_of(&tokenizer, &tokens, ended_by.is_some())?;
        let report = json!({
            "prompt": self.prompt,
            "text": text,
            "tokens": tokens,
            "ended_by": ended_by.map(|id| json!({ "id": id, "token": tokenizer.token(id) })),
            "seconds": seconds,
            "tokens_per_second": tokens.len() as f64 / seconds,
        });
        let shown = if self.chat { "" } else { self.prompt.as_str() };
        self.common.output().print(&report, || format!("{shown}{text}"))?;
        Ok(())
    }

    /// A chat template holds the special tokens that a text begins with.
    fn prompt_tokens(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>, Error> {
        if !self.chat {
            return Ok(tokenizer.encode(&self.prompt, true)?);
        }
        let message =
            |role: &str, content: &String| ChatMessage { role: role.into(), content: content.clone() };
        let system = self.system.iter().map(|text| message("system", text));
        let messages: Vec<_> = system.chain([message("user", &self.prompt)]).collect();
        let text = chat_template(&self.model, tokenizer)?.render(&messages, true)?;
        Ok(tokenizer.encode(&text, false)?)
    }
}

/// All that was made, special tokens too, but for the one that ended it.
fn text_of(tokenizer: &Tokenizer, tokens: &[u32], ended: bool) -> Result<String, Error> {
    let end = tokens.last().filter(|_| ended);
    let hidden = end.is_some_and(|&id| tokenizer.decode(&[id]).is_ok_and(|text| text.is_empty()));
    let shown = if hidden { &tokens[..tokens.len() - 1] } else { tokens };
    Ok(tokenizer.decode_all(shown)?)
}
