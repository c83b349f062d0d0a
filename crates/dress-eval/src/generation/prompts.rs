//! Which prompts are continued together.

use crate::scoring::BatchConfig;
use std::cmp::Reverse;

/// A text to continue, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Its place among all prompts.
    pub index: usize,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

impl Prompt {
    /// The last `most` of `tokens`: what is too long is cut from the left, as `lm_eval` does.
    pub fn new(index: usize, tokens: &[u32], most: usize) -> Self {
        let cut = tokens.len().saturating_sub(most);
        if cut > 0 {
            tracing::warn!(
                "{} tokens leave no room for the new ones; {cut} are cut from the left",
                tokens.len()
            );
        }
        Self { index, tokens: tokens[cut..].to_vec() }
    }
}

/// Batches of prompts of equal length, the longest first, so that what does not fit in memory fails at once.
/// Equal lengths need no padding, which a KV cache has no mask for.
pub(super) fn prompt_batches(
    mut prompts: Vec<Prompt>,
    max_new_tokens: usize,
    config: &BatchConfig,
) -> Vec<Vec<Prompt>> {
    prompts.sort_by_key(|prompt| (Reverse(prompt.tokens.len()), prompt.index));
    let mut batches: Vec<Vec<Prompt>> = Vec::new();
    for prompt in prompts {
        let len = prompt.tokens.len();
        // The cache may come to hold every new token.
        let cached = config.max_tokens.saturating_mul(4) / (len + max_new_tokens);
        let most = cached.min(config.max_tokens / len);
        match batches.last_mut() {
            Some(batch) if batch[0].tokens.len() == len && batch.len() < most => batch.push(prompt),
            _ => batches.push(vec![prompt]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(max_tokens: usize, max_new_tokens: usize) -> Vec<Vec<usize>> {
        let prompt = |(index, len): (usize, &usize)| Prompt::new(index, &vec![1; *len], 64);
        let prompts = [3, 5, 3, 3, 5].iter().enumerate().map(prompt).collect();
        let batches = prompt_batches(prompts, max_new_tokens, &BatchConfig { max_tokens });
        batches.iter().map(|batch| batch.iter().map(|prompt| prompt.index).collect()).collect()
    }

    #[test]
    fn prompts_of_one_length_go_together_as_far_as_they_fit() {
        assert_eq!(indices(2048, 8), [vec![1, 4], vec![0, 2, 3]]);
        assert_eq!(indices(6, 1), [vec![1], vec![4], vec![0, 2], vec![3]]);
        assert_eq!(indices(12, 13), [vec![1, 4], vec![0, 2, 3]]);
        assert_eq!(indices(12, 20), [vec![1], vec![4], vec![0, 2], vec![3]]);
        assert_eq!(indices(1, 8).len(), 5);
    }

    #[test]
    fn a_prompt_that_is_too_long_is_cut_from_the_left() {
        assert_eq!(Prompt::new(0, &[1, 2, 3, 4], 3).tokens, [2, 3, 4]);
    }
}
