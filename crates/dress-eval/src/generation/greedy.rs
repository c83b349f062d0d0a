//! Greedy decoding of several prompts at once.

use super::StopConditions;
use super::prompts::{Prompt, prompt_batches};
use crate::Error;
use crate::scoring::BatchConfig;
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Forward, KvCache, NoTap, RunningStage};
use dress_data::Tokenizer;
use dress_kernels::on_a_worker;

/// Continues each prompt by the likeliest token (of equals the first) until something stops it, and hands the texts over
/// as they come to their ends: `done` gets the prompt's place in `prompts` and the text. A prompt without tokens is left
/// out.
///
/// Prompts of equal length go through the model together, and on from its KV cache.
///
/// # Errors
/// [`Error::NoRoomToGenerate`], [`Error::LogitsNotFinite`], those of [`Calibration::check`] and of the tokenizer, those of
/// `done`, and [`dress_core::Error::Cancelled`].
pub fn generate_until<M: CausalLm>(
    model: &M,
    tokenizer: &Tokenizer,
    prompts: &[Vec<u32>],
    stop: &StopConditions,
    config: &BatchConfig,
    stage: &RunningStage<'_>,
    mut done: impl FnMut(usize, String) -> Result<(), Error>,
) -> Result<(), Error> {
    let (positions, new) = (model.max_positions(), stop.max_new_tokens);
    let most = positions.saturating_sub(new);
    if most == 0 {
        return Err(Error::NoRoomToGenerate { new, positions });
    }
    let asked = prompts.iter().enumerate().filter(|(_, tokens)| !tokens.is_empty());
    let asked: Vec<Prompt> = asked.map(|(index, tokens)| Prompt::new(index, tokens, most)).collect();
    Calibration::from_blocks(asked.iter().map(|prompt| prompt.tokens.clone()).collect()).check(model)?;
    for batch in prompt_batches(asked, new, config) {
        let mut decoding = Decoding::new(model, batch, stop);
        while !decoding.is_over() {
            let ended = decoding.step(model, tokenizer)?;
            let count = ended.len() as u64;
            ended.into_iter().try_for_each(|(index, text)| done(index, text))?;
            // Also where no text has ended, so that the work can be.
            stage.advance(count)?;
        }
    }
    Ok(())
}

/// New tokens that there is room for at first. Most answers are short.
const ROOM: usize = 8;

/// Prompts of one length that are continued together.
struct Decoding<'a> {
    stop: &'a StopConditions,
    /// Tokens of each prompt.
    prompt_len: usize,
    rows: Vec<Continuation>,
    /// What goes through the model next, one sequence a row.
    input: Vec<Vec<u32>>,
    cache: KvCache,
}

/// What one prompt is continued by.
struct Continuation {
    /// The prompt's place among all prompts.
    index: usize,
    prompt: Vec<u32>,
    tokens: Vec<u32>,
    is_over: bool,
}

impl<'a> Decoding<'a> {
    fn new<M: CausalLm>(model: &M, batch: Vec<Prompt>, stop: &'a StopConditions) -> Self {
        let prompt_len = batch.first().map_or(0, |prompt| prompt.tokens.len());
        let cache = KvCache::new(model.num_layers(), prompt_len + ROOM.min(stop.max_new_tokens));
        let input = batch.iter().map(|prompt| prompt.tokens.clone()).collect();
        let row = |Prompt { index, tokens }| Continuation {
            index,
            prompt: tokens,
            tokens: Vec::new(),
            is_over: false,
        };
        let rows = batch.into_iter().map(row).collect();
        Self { stop, prompt_len, rows, input, cache }
    }

    fn is_over(&self) -> bool {
        self.rows.iter().all(|row| row.is_over)
    }

    /// Adds one token to every row, and returns the texts that it ends.
    fn step<M: CausalLm>(&mut self, model: &M, tokenizer: &Tokenizer) -> Result<Vec<(usize, String)>, Error> {
        let cached = self.cache.len();
        if model.outgrows_cache(cached, cached + self.input[0].len()) {
            self.cache = KvCache::new(model.num_layers(), self.cache.capacity());
            self.input = self.rows.iter().map(|row| [&row.prompt[..], &row.tokens].concat()).collect();
        }
        let next = likeliest_tokens(model, &self.input, &mut self.cache);
        let mut ended = Vec::new();
        for (row, token) in self.rows.iter_mut().zip(next).filter(|(row, _)| !row.is_over) {
            let (question, tokens) = (row.index, row.tokens.len());
            row.tokens.push(token.ok_or(Error::LogitsNotFinite { question, tokens })?);
            if let Some(text) = self.stop.ended(&row.tokens, tokenizer)? {
                row.is_over = true;
                ended.push((row.index, text));
            }
        }
        if !self.is_over() && self.cache.len() == self.cache.capacity() {
            self.make_room();
        }
        self.input = self.rows.iter().map(|row| row.tokens[row.tokens.len() - 1..].to_vec()).collect();
        Ok(ended)
    }

    /// Doubles the room for new tokens, and leaves the rows out that are over.
    fn make_room(&mut self) {
        let going: Vec<usize> = (0..self.rows.len()).filter(|&row| !self.rows[row].is_over).collect();
        let room = 2 * (self.cache.capacity() - self.prompt_len);
        let capacity = self.prompt_len + room.min(self.stop.max_new_tokens);
        self.cache = self.cache.select_rows(&going, capacity);
        self.rows.retain(|row| !row.is_over);
    }
}

/// The likeliest next token of each row, or nothing where its logits are no numbers.
fn likeliest_tokens<M: CausalLm>(model: &M, input: &[Vec<u32>], cache: &mut KvCache) -> Vec<Option<u32>> {
    let device = model.device();
    let tokens = Calibration::tensor(input, &device);
    let logits: Vec<f32> = on_a_worker(&device, || {
        let mut tap = NoTap;
        let logits = model.forward_last(tokens, &mut Forward::new(&mut tap).with_cache(cache));
        logits.cast(DType::F32).into_data().iter().collect()
    });
    logits.chunks(logits.len() / input.len()).map(likeliest).collect()
}

/// The place of the greatest logit, of equals the first.
fn likeliest(logits: &[f32]) -> Option<u32> {
    if !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let greatest = logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    greatest.map(|(index, _)| index as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_is_taken_and_of_no_numbers_none() {
        assert_eq!(likeliest(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(likeliest(&[1.0, f32::NAN]), None);
        assert_eq!(likeliest(&[1.0, f32::INFINITY]), None);
    }
}
