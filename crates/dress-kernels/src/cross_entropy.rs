//! The loss of a language model, without ever having all logits.

use crate::fused::{Fused, Inputs, apply, dims, integers, numbers, tensor};
use crate::product::{Cores, Matrix, product};
use crate::vector::{TASK, exp, max, max_and_exp_sum, sum, vectorized};
use burn::backend::flex::FlexTensor;
use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

/// How the matrix that makes logits is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unembedding {
    /// A row a token, as an embedding: `[vocab_size, width]`.
    Rows,
    /// A column a token, as Burn's `Linear`: `[width, vocab_size]`.
    Columns,
}

/// Mean negative log-likelihood, in nats, of `targets` under the logits that `weight` makes of `hidden`.
///
/// Logits exist for a few hundred positions at a time. On an autodiff device their gradient is made while they
/// are there, so that nothing is computed twice and the gradient pass only has to scale.
///
/// # Shapes
/// - `hidden`: `[batch, seq, width]`, `targets`: `[batch, seq]`; returns `[1]`
///
/// # Panics
/// Where a target is no token of `weight`, or there is none.
pub fn cross_entropy(
    hidden: &Tensor<3>,
    weight: &Tensor<2>,
    layout: Unembedding,
    targets: &Tensor<2, Int>,
) -> Option<Tensor<1>> {
    let inputs = Inputs::new([hidden.clone().into_dispatch(), weight.clone().into_dispatch()])?;
    let targets = integers(targets.clone().into_dispatch())?;
    assert!(!targets.is_empty(), "a loss of no targets");
    Some(apply(CrossEntropy { targets, layout, taught: None }, inputs))
}

/// What a teacher says of some positions, and how much that counts.
#[derive(Debug, Clone, Copy)]
pub struct TaughtBy<'a> {
    /// Its logits. `[batch, seq, vocab_size]`
    pub logits: &'a Tensor<3>,
    /// The weight of its distribution, from 0 to 1.
    pub alpha: f64,
    /// The temperature that distributions are taken at.
    pub temperature: f64,
    /// Whether it is the model's distribution whose divergence from the teacher's counts.
    pub reverse: bool,
}

/// [`cross_entropy`] beside what a teacher says of the same positions: `(1 - alpha) L + alpha T^2 KL(p || q)` with `L` that loss, and
/// `p` and `q` the teacher's and the model's distributions at temperature `T` (arXiv 1503.02531); with [`TaughtBy::reverse`]
/// it is `KL(q || p)`.
///
/// # Shapes
/// - as in [`cross_entropy`]
/// - returns `[3]`: the sum, which alone has a gradient; then `L` and `KL`, means over the positions in nats
///
/// # Panics
/// Where a target is no token of `weight`, there is none, or the teacher's logits are of other positions or tokens.
pub fn distilled_cross_entropy(
    hidden: &Tensor<3>,
    weight: &Tensor<2>,
    layout: Unembedding,
    targets: &Tensor<2, Int>,
    taught: &TaughtBy<'_>,
) -> Option<Tensor<1>> {
    let inputs = Inputs::new([hidden.clone().into_dispatch(), weight.clone().into_dispatch()])?;
    let targets = integers(targets.clone().into_dispatch())?;
    let vocab_size = weight.dims()[usize::from(layout == Unembedding::Columns)];
    assert!(!targets.is_empty(), "a loss of no targets");
    let said: usize = taught.logits.dims().iter().product();
    assert_eq!(said, targets.len() * vocab_size, "a teacher of other tokens");
    let logits = match Inputs::new([taught.logits.clone().into_dispatch()])? {
        Inputs::Plain([logits]) => logits,
        Inputs::Tracked([logits]) => logits.into_primitive(),
    };
    let taught = Taught {
        logits: logits.to_contiguous(),
        alpha: taught.alpha as f32,
        temperature: taught.temperature as f32,
        reverse: taught.reverse,
    };
    Some(apply(CrossEntropy { targets, layout, taught: Some(taught) }, inputs))
}

/// Positions whose logits are in memory at the same time.
const CHUNK: usize = 256;

#[derive(Debug)]
struct CrossEntropy {
    targets: Vec<usize>,
    layout: Unembedding,
    taught: Option<Taught>,
}

/// What a teacher says of the same positions, and how much that counts.
#[derive(Debug)]
struct Taught {
    logits: FlexTensor,
    alpha: f32,
    temperature: f32,
    reverse: bool,
}

impl CrossEntropy {
    /// The loss of the text's token at one position and the teacher's distance; with `slopes` the logits become the gradient of the
    /// mean.
    fn row_losses(&self, position: usize, logits: &mut [f32], share: f32, slopes: bool) -> [f32; 2] {
        let target = self.targets[position];
        match &self.taught {
            None => [row_loss(logits, target, share, slopes), 0.0],
            Some(taught) => {
                let start = position * logits.len();
                let said = &numbers(&taught.logits)[start..start + logits.len()];
                taught.row_losses(logits, said, target, share, slopes)
            }
        }
    }

    /// The result's numbers, of the sums over all positions.
    fn losses(&self, sums: [f64; 2]) -> Vec<f32> {
        let [language, distance] = sums.map(|sum| (sum / self.targets.len() as f64) as f32);
        match &self.taught {
            None => vec![language],
            Some(Taught { alpha, temperature, .. }) => {
                let total = (1.0 - alpha) * language + alpha * temperature * temperature * distance;
                vec![total, language, distance]
            }
        }
    }
}

impl Taught {
    /// [`CrossEntropy::row_losses`] where the teacher says `said`.
    fn row_losses(
        &self,
        logits: &mut [f32],
        said: &[f32],
        target: usize,
        share: f32,
        slopes: bool,
    ) -> [f32; 2] {
        let (at_target, own) = (logits[target], 1.0 - self.alpha);
        let (log_sum, distance) = vectorized(
            #[inline(always)]
            || {
                let softmaxes = Softmaxes::of(logits, said, 1.0 / self.temperature);
                let distance = if self.reverse {
                    softmaxes.reverse(logits, said)
                } else {
                    softmaxes.forward(logits, said)
                };
                if slopes {
                    let (own, taught) = (share * own, share * self.alpha * self.temperature);
                    let distance = self.reverse.then_some(distance);
                    softmaxes.slopes(logits, said, own, taught, distance);
                }
                (softmaxes.highest + softmaxes.total.ln(), distance)
            },
        );
        if slopes {
            logits[target] -= share * own;
        }
        [log_sum - at_target, distance]
    }
}

/// The sum of `e^((value - highest) * cooling)`.
#[inline(always)]
fn cooled_sum(values: &[f32], highest: f32, cooling: f32) -> f32 {
    sum(
        values.len(),
        #[inline(always)]
        |i| exp((values[i] - highest) * cooling),
    )
}

/// What the distributions of a model and of its teacher at one position are made of.
struct Softmaxes {
    /// The inverse of the temperature.
    cooling: f32,
    /// The model's greatest logit.
    highest: f32,
    /// The sum of `e^(logit - highest)`.
    total: f32,
    /// The same at the temperature.
    cooled: f32,
    /// The teacher's greatest logit.
    said_highest: f32,
    /// The sum of its `e^((logit - said_highest) / T)`.
    said_total: f32,
}

impl Softmaxes {
    #[inline(always)]
    fn of(logits: &[f32], said: &[f32], cooling: f32) -> Self {
        let ((highest, total), said_highest) = (max_and_exp_sum(logits), max(said));
        let (cooled, said_total) =
            (cooled_sum(logits, highest, cooling), cooled_sum(said, said_highest, cooling));
        Self { cooling, highest, total, cooled, said_highest, said_total }
    }

    /// `log p - log q` times the temperature, but for what is the same for all tokens.
    #[inline(always)]
    fn apart(&self, logit: f32, said: f32) -> f32 {
        (said - self.said_highest) - (logit - self.highest)
    }

    /// `log` of the model's sum over the teacher's: what `apart` leaves out of `log p - log q`.
    #[inline(always)]
    fn offset(&self) -> f32 {
        self.cooled.ln() - self.said_total.ln()
    }

    /// `KL(p || q)`.
    #[inline(always)]
    fn forward(&self, logits: &[f32], said: &[f32]) -> f32 {
        let apart = sum(
            logits.len(),
            #[inline(always)]
            |i| {
                let term = exp((said[i] - self.said_highest) * self.cooling) * self.apart(logits[i], said[i]);
                // What the teacher rules out counts for nothing.
                if said[i] > f32::MIN { term } else { 0.0 }
            },
        );
        apart * self.cooling / self.said_total + self.offset()
    }

    /// `KL(q || p)`.
    #[inline(always)]
    fn reverse(&self, logits: &[f32], said: &[f32]) -> f32 {
        let apart = sum(
            logits.len(),
            #[inline(always)]
            |i| exp((logits[i] - self.highest) * self.cooling) * self.apart(logits[i], said[i]),
        );
        -(apart * self.cooling / self.cooled + self.offset())
    }

    /// Turns the logits into the gradient of `own` times the text's loss and `taught` times the divergence, which is given where
    /// it is the reverse one; but for what the text's token adds.
    #[inline(always)]
    fn slopes(&self, logits: &mut [f32], said: &[f32], own: f32, taught: f32, reverse: Option<f32>) {
        let (of_text, of_model, of_teacher) =
            (own / self.total, taught / self.cooled, taught / self.said_total);
        let offset = self.offset();
        for i in 0..logits.len() {
            let logit = logits[i] - self.highest;
            let model = exp(logit * self.cooling) * of_model;
            let divergence = match reverse {
                None => model - exp((said[i] - self.said_highest) * self.cooling) * of_teacher,
                Some(distance) => {
                    let log_ratio = -(self.apart(logits[i], said[i]) * self.cooling + offset);
                    model * (log_ratio - distance)
                }
            };
            logits[i] = exp(logit) * of_text + divergence;
        }
    }
}

/// The loss of one position; with `slopes` its logits become the gradient of the mean loss.
fn row_loss(logits: &mut [f32], target: usize, share: f32, slopes: bool) -> f32 {
    let at_target = logits[target];
    let log_sum = vectorized(
        #[inline(always)]
        || {
            let (highest, total) = max_and_exp_sum(logits);
            if slopes {
                let factor = share / total;
                for logit in logits.iter_mut() {
                    *logit = exp(*logit - highest) * factor;
                }
            }
            highest + total.ln()
        },
    );
    if slopes {
        logits[target] -= share;
    }
    log_sum - at_target
}

fn scaled(mut numbers: Vec<f32>, factor: f32) -> Vec<f32> {
    if factor != 1.0 {
        numbers.par_chunks_mut(TASK).for_each(|numbers| numbers.iter_mut().for_each(|x| *x *= factor));
    }
    numbers
}
