//! `dress generate`.

use crate::model_files::chat_template;
use crate::{Error, RunContext, tokenizer};
use dress_data::{ChatMessage, Tokenizer};
use dress_models::end_tokens;
use dress_models::generation::{GenerationConfig, Sampling, generate};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// What `dress generate` does.
#[derive(Debug)]
pub(super) struct Generate {
    /// The checkpoint.
    pub model: PathBuf,
    /// The text to continue, or what the user says.
    pub prompt: String,
    /// Whether it is what a user says.
    pub chat: bool,
    /// The system's message before it.
    pub system: Option<String>,
    /// Whether the tokens that end a text do not.
    pub ignore_eos: bool,
    /// The most tokens to add.
    pub max_new_tokens: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// More tokens that end the text.
    pub stop: Vec<String>,
    /// Where it is computed.
    pub context: RunContext,
}

impl Generate {
    pub fn run(self) -> Result<(), Error> {
        self.sampling.check()?;
        let tokenizer = tokenizer(&self.model)?;
        let prompt = self.prompt_tokens(&tokenizer)?;
        let model = self.context.load(&self.model)?;
        let stop = |token: &String| {
            tokenizer.token_id(token).ok_or_else(|| Error::NoSuchToken { token: token.clone() })
        };
        let mut stop = self.stop.iter().map(stop).collect::<Result<Vec<_>, _>>()?;
        if !self.ignore_eos {
            stop.extend(end_tokens(&self.model)?);
        }
        let config = GenerationConfig { max_new_tokens: self.max_new_tokens, sampling: self.sampling, stop };
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
        self.context.output.print(&report, || format!("{shown}{text}"))?;
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
