//! Greedy decoding of several prompts at once.

use super::StopConditions;
use super::decoding::Decoding;
use super::prompts::{Prompt, prompt_batches};
use crate::Error;
use crate::scoring::BatchConfig;
use dress_core::{Calibration, CausalLm, RunningStage};
use dress_data::Tokenizer;

/// Continues each prompt by the likeliest token (of equals the first) until something stops it, and hands the
/// texts over as they come to their ends: `done` gets the prompt's place in `prompts` and the text. A prompt
/// without tokens is left out.
///
/// Prompts of equal length go through the model together, and on from its KV cache.
///
/// # Errors
/// [`Error::NoRoomToGenerate`], [`Error::LogitsNotFinite`], those of [`Calibration::check`] and of the
/// tokenizer, those of `done`, and [`dress_core::Error::Cancelled`].
///
/// # Examples
/// ```
/// use dress_core::{NoProgress, Progress, Unit, burn::tensor::Device};
/// use dress_eval::generation::{StopConditions, generate_until};
/// use dress_eval::scoring::BatchConfig;
/// use dress_models::{Checkpoint, LoadConfig};
///
/// let checkpoint = Checkpoint::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv"))?;
/// let (model, tokenizer) = (checkpoint.load(&LoadConfig::default(), &Device::flex())?, checkpoint.tokenizer()?);
/// let prompts = [tokenizer.encode("In the beginning", true)?];
/// let stop = StopConditions { until: Vec::new(), end_tokens: Vec::new(), max_new_tokens: 4 };
/// let progress: &dyn Progress = &NoProgress;
/// let stage = progress.begin("texts", Unit::Texts, 1);
/// let mut texts = Vec::new();
/// generate_until(&model, &tokenizer, &prompts, &stop, &BatchConfig::default(), &stage, |_prompt, text| {
///     texts.push(text);
///     Ok(())
/// })?;
/// assert_eq!(texts.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
            let ended = decoding.step(model, tokenizer, &mut |_, logits| likeliest(logits))?;
            let count = ended.len() as u64;
            ended.into_iter().try_for_each(|(index, text)| done(index, text))?;
            // Also where no text has ended, so that the work can be.
            stage.advance(count)?;
        }
    }
    Ok(())
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
