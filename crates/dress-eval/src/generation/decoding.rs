//! Several texts that a model goes on with at once.

use super::StopConditions;
use super::prompts::Prompt;
use crate::Error;
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Forward, KvCache, NoTap};
use dress_data::Tokenizer;
use dress_kernels::on_a_worker;

/// New tokens that there is room for at first. Most answers are short.
const ROOM: usize = 8;

/// How a text's next token is chosen: its place among all prompts and the logits to the token, or nothing
/// where the logits are no numbers.
pub(super) type Choose<'a> = dyn FnMut(usize, &[f32]) -> Option<u32> + 'a;

/// Prompts of one length that are continued together.
pub(super) struct Decoding<'a> {
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
    pub fn new<M: CausalLm>(model: &M, batch: Vec<Prompt>, stop: &'a StopConditions) -> Self {
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

    pub fn is_over(&self) -> bool {
        self.rows.iter().all(|row| row.is_over)
    }

    /// Adds one token to every row, and returns the texts that it ends.
    pub fn step<M: CausalLm>(
        &mut self,
        model: &M,
        tokenizer: &Tokenizer,
        choose: &mut Choose<'_>,
    ) -> Result<Vec<(usize, String)>, Error> {
        let cached = self.cache.len();
        if model.outgrows_cache(cached, cached + self.input[0].len()) {
            self.cache = KvCache::new(model.num_layers(), self.cache.capacity());
            // Those that are over are shorter than the others.
            self.rows.retain(|row| !row.is_over);
            self.input = self.rows.iter().map(|row| [&row.prompt[..], &row.tokens].concat()).collect();
        }
        let logits = next_logits(model, &self.input, &mut self.cache);
        let of_each = logits.chunks(logits.len() / self.input.len());
        let mut ended = Vec::new();
        for (row, logits) in self.rows.iter_mut().zip(of_each).filter(|(row, _)| !row.is_over) {
            let (question, tokens) = (row.index, row.tokens.len());
            row.tokens.push(choose(row.index, logits).ok_or(Error::LogitsNotFinite { question, tokens })?);
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

/// The logits of the token behind each row, `[rows * vocab_size]`.
fn next_logits<M: CausalLm>(model: &M, input: &[Vec<u32>], cache: &mut KvCache) -> Vec<f32> {
    let device = model.device();
    let tokens = Calibration::tensor(input, &device);
    on_a_worker(&device, || {
        let mut tap = NoTap;
        let logits = model.forward_last(tokens, &mut Forward::new(&mut tap).with_cache(cache));
        logits.cast(DType::F32).into_data().iter().collect()
    })
}
