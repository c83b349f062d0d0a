//! Texts that a model writes by itself.

use super::StopConditions;
use super::decoding::Decoding;
use super::prompts::{Prompt, prompt_batches};
use crate::Error;
use crate::scoring::BatchConfig;
use dress_core::{Calibration, CausalLm, RunningStage};
use dress_data::Tokenizer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// How a model's own texts are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnTexts {
    /// The tokens that every text begins behind, such as the one that ends the text before.
    pub beginning: Vec<u32>,
    /// Divides the logits before a token is drawn; at 1 the tokens are those that the model itself expects.
    pub temperature: f64,
    /// Seed of the draws. Each text has its own by its number, so that it does not depend on the others.
    pub seed: u64,
}

impl OwnTexts {
    /// The draws of one text.
    fn drawn(&self, text: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(text as u64);
        rng
    }
}

/// Writes the texts of the numbers `texts`, each behind [`OwnTexts::beginning`], until something stops it,
/// and hands them over as they come to their ends: `done` gets the text's number and the text, without the
/// beginning.
///
/// A model that learns from such texts needs no others (self-distillation: arXiv 2305.17888 generates
/// training data so).
///
/// # Errors
/// [`Error::Temperature`], [`Error::NoRoomToGenerate`], [`Error::LogitsNotFinite`], those of
/// [`Calibration::check`] and of the tokenizer, those of `done`, and [`dress_core::Error::Cancelled`].
pub fn own_texts<M: CausalLm>(
    model: &M,
    tokenizer: &Tokenizer,
    texts: &[usize],
    stop: &StopConditions,
    config: &OwnTexts,
    stage: &RunningStage<'_>,
    mut done: impl FnMut(usize, String) -> Result<(), Error>,
) -> Result<(), Error> {
    if !(config.temperature > 0.0 && config.temperature.is_finite()) {
        return Err(Error::Temperature { temperature: config.temperature });
    }
    let beginning = &config.beginning;
    let (positions, new) = (model.max_positions(), stop.max_new_tokens);
    if positions < beginning.len().saturating_add(new) {
        return Err(Error::NoRoomToGenerate { new, positions });
    }
    Calibration::from_blocks(vec![beginning.clone()]).check(model)?;
    let prompt = |&text: &usize| Prompt { index: text, tokens: beginning.clone() };
    let mut draws: BTreeMap<usize, ChaCha8Rng> =
        texts.iter().map(|&text| (text, config.drawn(text))).collect();
    for batch in prompt_batches(texts.iter().map(prompt).collect(), new, &BatchConfig::default()) {
        let mut decoding = Decoding::new(model, batch, stop);
        while !decoding.is_over() {
            let mut choose = |text: usize, logits: &[f32]| {
                let draw = draws.get_mut(&text)?.random::<f64>();
                drawn(logits, config.temperature, draw)
            };
            let ended = decoding.step(model, tokenizer, &mut choose)?;
            let count = ended.len() as u64;
            ended.into_iter().try_for_each(|(text, written)| done(text, written))?;
            stage.advance(count)?;
        }
    }
    Ok(())
}

/// The token at cumulative probability `draw`, or nothing where the logits are no numbers.
fn drawn(logits: &[f32], temperature: f64, draw: f64) -> Option<u32> {
    if !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> =
        logits.iter().map(|&logit| (f64::from(logit - highest) / temperature).exp()).collect();
    let mut left = draw * weights.iter().sum::<f64>();
    let found = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    // Rounding may leave a little behind the last.
    Some(found.unwrap_or(weights.len() - 1) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_drawn_as_often_as_their_probabilities_say() {
        let logits = [0.0, (3.0f32).ln(), f32::MIN];
        let counts = |temperature: f64| {
            let mut counts = [0; 3];
            for step in 0..1000 {
                let draw = (f64::from(step) + 0.5) / 1000.0;
                counts[drawn(&logits, temperature, draw).unwrap() as usize] += 1;
            }
            counts
        };
        assert_eq!(counts(1.0), [250, 750, 0]);
        assert_eq!(counts(0.5), [100, 900, 0]);
        assert_eq!(drawn(&[0.0, f32::NAN], 1.0, 0.5), None);
    }

    #[test]
    fn each_text_has_its_own_draws() {
        let config = OwnTexts { beginning: vec![1], temperature: 1.0, seed: 7 };
        let first = |text| config.drawn(text).random::<u64>();
        assert_eq!(first(3), first(3));
        assert_ne!(first(3), first(4));
    }
}
