//! Continuing a text.

use crate::{Error, GenerationError};
use burn::tensor::DType;
use dress_core::{Calibration, CausalLm, Forward, KvCache, NoTap};
use dress_kernels::on_a_worker;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// Always the likeliest token; of equals, the first.
    Greedy,
    /// Drawn from the likeliest tokens that together reach probability `top_p` (nucleus
    /// sampling, arXiv 1904.09751).
    TopP {
        /// The probability to reach, in `(0, 1]`.
        top_p: f64,
        /// Divides the logits; below one, likely tokens get likelier.
        temperature: f64,
        /// Seed of the draws.
        seed: u64,
    },
}

impl Sampling {
    /// Checks that the settings make sense, which takes no model.
    ///
    /// # Errors
    /// [`GenerationError::Sampling`].
    pub fn check(self) -> Result<(), Error> {
        let Sampling::TopP { top_p, temperature, .. } = self else { return Ok(()) };
        if !(top_p > 0.0 && top_p <= 1.0) {
            let expected = "it has to be above 0 and at most 1";
            return Err(GenerationError::Sampling { setting: "top_p", value: top_p, expected }.into());
        }
        if !(temperature >= 0.0 && temperature.is_finite()) {
            let expected = "it has to be 0, which is greedy, or a positive number";
            let (setting, value) = ("temperature", temperature);
            return Err(GenerationError::Sampling { setting, value, expected }.into());
        }
        Ok(())
    }
}

/// How a text is continued.
#[derive(Debug, Clone)]
pub struct GenerationConfig {
    /// The most tokens to add.
    pub max_new_tokens: usize,
    /// How each is chosen.
    pub sampling: Sampling,
    /// Tokens that end the text, themselves included in the result.
    pub stop: Vec<u32>,
}

/// The tokens that follow `prompt`, without it. Keys and values are cached, so each token costs one
/// position's work.
///
/// # Errors
/// [`GenerationError::PromptEmpty`], [`GenerationError::PromptLength`] where prompt and new tokens together
/// exceed the model's positions, [`dress_core::Error::Vocabulary`] where the model does not have a token of
/// the prompt, [`GenerationError::Sampling`], and [`GenerationError::LogitsNotFinite`].
///
/// # Examples
/// ```
/// use dress_core::burn::tensor::Device;
/// use dress_models::generation::{GenerationConfig, Sampling, generate};
/// use dress_models::decoder::{DecoderConfig, DecoderForCausalLm};
///
/// let text = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
///     "num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":true}"#;
/// let config = DecoderConfig::from_json(text, "config.json".as_ref())?;
/// let model = DecoderForCausalLm::new(config, &Device::flex());
/// let sampling = Sampling::TopP { top_p: 0.9, temperature: 0.7, seed: 1 };
/// let config = GenerationConfig { max_new_tokens: 5, sampling, stop: Vec::new() };
/// let mut seen = Vec::new();
/// let new = generate(&model, &[3, 1, 4], &config, |token| seen.push(token))?;
/// assert_eq!((new.len(), &seen), (5, &new));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn generate<M: CausalLm>(
    model: &M,
    prompt: &[u32],
    config: &GenerationConfig,
    mut on_token: impl FnMut(u32),
) -> Result<Vec<u32>, Error> {
    let (positions, total) = (model.max_positions(), prompt.len().saturating_add(config.max_new_tokens));
    config.sampling.check()?;
    if prompt.is_empty() {
        return Err(GenerationError::PromptEmpty.into());
    }
    if total > positions {
        let (prompt, new) = (prompt.len(), config.max_new_tokens);
        return Err(GenerationError::PromptLength { prompt, new, positions }.into());
    }
    Calibration::from_blocks(vec![prompt.to_vec()]).check(model)?;
    let device = model.device();
    let mut cache = KvCache::new(model.num_layers(), total);
    let mut chooser = Chooser::new(config.sampling);
    let mut new = Vec::new();
    let mut input = prompt.to_vec();
    while new.len() < config.max_new_tokens {
        if model.outgrows_cache(cache.len(), cache.len() + input.len()) {
            cache = KvCache::new(model.num_layers(), total);
            input = [prompt, &new].concat();
        }
        let tokens = Calibration::tensor(&[std::mem::take(&mut input)], &device);
        let logits: Vec<f32> = on_a_worker(&device, || {
            let mut tap = NoTap;
            let logits = model.forward_last(tokens, &mut Forward::new(&mut tap).with_cache(&mut cache));
            logits.cast(DType::F32).into_data().iter().collect()
        });
        if !logits.iter().all(|logit| logit.is_finite()) {
            let position = prompt.len() + new.len();
            return Err(GenerationError::LogitsNotFinite { position }.into());
        }
        let token = chooser.choose(&logits);
        on_token(token);
        new.push(token);
        if config.stop.contains(&token) {
            break;
        }
        input.push(token);
    }
    Ok(new)
}

struct Chooser {
    sampling: Sampling,
    rng: ChaCha8Rng,
}

impl Chooser {
    fn new(sampling: Sampling) -> Self {
        let seed = if let Sampling::TopP { seed, .. } = sampling { seed } else { 0 };
        Self { sampling, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn choose(&mut self, logits: &[f32]) -> u32 {
        match self.sampling {
            Sampling::Greedy => greedy(logits),
            Sampling::TopP { top_p, temperature, .. } if temperature > 0.0 => {
                let draw: f64 = self.rng.random();
                nucleus(logits, top_p, temperature, draw)
            }
            Sampling::TopP { .. } => greedy(logits),
        }
    }
}

fn greedy(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best as u32
}

/// The token at cumulative probability `draw` among the likeliest that together reach `top_p`.
fn nucleus(logits: &[f32], top_p: f64, temperature: f64, draw: f64) -> u32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| (f64::from(logit - highest) / temperature).exp();
    let mut ranked: Vec<(usize, f64)> = logits.iter().map(|&l| weight(l)).enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let total: f64 = ranked.iter().map(|(_, w)| w).sum();
    let (mut sum, mut len) = (0.0, 0);
    while len < ranked.len() && sum < top_p * total {
        sum += ranked[len].1;
        len += 1;
    }
    let mut left = draw * sum;
    let nucleus = &ranked[..len.max(1)];
    let chosen = nucleus.iter().find(|(_, w)| {
        left -= w;
        left < 0.0
    });
    chosen.unwrap_or(&nucleus[0]).0 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_is_the_greedy_choice() {
        assert_eq!(greedy(&[1.0, 3.0, 3.0]), 1);
    }

    #[test]
    fn the_nucleus_leaves_out_what_is_beyond_top_p() {
        let logits = [0.0, (8.0f32).ln(), (1.0f32).ln() - 30.0];
        for step in 0..100 {
            let draw = f64::from(step) / 100.0;
            assert_eq!(nucleus(&logits, 0.8, 1.0, draw), 1);
            assert_ne!(nucleus(&logits, 1.0, 1.0, draw), 2);
        }
        assert_eq!(nucleus(&logits, 1.0, 1.0, 0.95), 0);
    }
}
