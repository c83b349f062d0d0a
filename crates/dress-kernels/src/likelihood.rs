//! The log-likelihood of one token a position, from logits that are there already.

use crate::fused::{Inputs, dims, integers, numbers};
use crate::vector::{max_and_exp_sum, vectorized};
use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

/// What logits say of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenLikelihood {
    /// Its log-likelihood, in nats; NaN where a logit is NaN or infinite.
    pub log_likelihood: f64,
    /// Whether it is the likeliest token, the first of several alike.
    pub is_likeliest: bool,
}

/// The log-likelihood of `targets[i]` under the softmax of row `i`: two passes over a row, every core its own
/// rows.
///
/// # Shapes
/// - `logits`: `[positions, vocab_size]`, off the autodiff graph; `targets`: `[positions]`
///
/// # Panics
/// Where a target is no token of the logits, or there is not one a row.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use dress_kernels::token_likelihoods;
///
/// let device = Device::flex();
/// let (logits, targets) = (Tensor::<2>::zeros([1, 8], &device), Tensor::<1, Int>::from_ints([0], &device));
/// let found = token_likelihoods(&logits, &targets).expect("numbers in f32 on a CPU");
/// assert!((found[0].log_likelihood + 8f64.ln()).abs() < 1e-6 && found[0].is_likeliest);
/// ```
pub fn token_likelihoods(logits: &Tensor<2>, targets: &Tensor<1, Int>) -> Option<Vec<TokenLikelihood>> {
    let Inputs::Plain([logits]) = Inputs::new([logits.clone().into_dispatch()])? else { return None };
    let targets = integers(targets.clone().into_dispatch())?;
    let logits = logits.to_contiguous();
    let [positions, vocab_size] = dims(&logits);
    assert_eq!(targets.len(), positions, "one target a row of logits");
    let rows = numbers(&logits).par_chunks_exact(vocab_size).zip(targets);
    Some(rows.map(|(row, target)| token_likelihood(row, target)).collect())
}

fn token_likelihood(logits: &[f32], target: usize) -> TokenLikelihood {
    let at_target = logits[target];
    let (highest, total) = vectorized(
        #[inline(always)]
        || max_and_exp_sum(logits),
    );
    TokenLikelihood {
        log_likelihood: f64::from(at_target - highest) - f64::from(total).ln(),
        is_likeliest: at_target == highest && logits[..target].iter().all(|&logit| logit != highest),
    }
}
