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
/// Logits exist for a few hundred positions at a time. On an autodiff device their gradient is made while
/// they are there, so that nothing is computed twice and the gradient pass only has to scale.
///
/// # Shapes
/// - `hidden`: `[batch, seq, width]`, `targets`: `[batch, seq]`; returns `[1]`
///
/// # Panics
/// Where a target is no token of `weight`, or there is none.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use dress_kernels::{Unembedding, cross_entropy};
///
/// let device = Device::flex();
/// let (hidden, embedding) = (Tensor::<3>::zeros([1, 2, 4], &device), Tensor::<2>::ones([8, 4], &device));
/// let targets = Tensor::<2, Int>::from_ints([[3, 5]], &device);
/// let loss = cross_entropy(&hidden, &embedding, Unembedding::Rows, &targets).expect("numbers in f32 on a CPU");
/// // All eight tokens are alike.
/// assert!((loss.into_scalar::<f32>() - 8f32.ln()).abs() < 1e-5);
/// ```
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

/// [`cross_entropy`] beside what a teacher says of the same positions: `(1 - alpha) L + alpha T^2 KL(p || q)`
/// with `L` that loss, and `p` and `q` the teacher's and the model's distributions at temperature `T` (arXiv
/// 1503.02531); with [`TaughtBy::reverse`] it is `KL(q || p)`.
///
/// # Shapes
/// - as in [`cross_entropy`]
/// - returns `[3]`: the sum, which alone has a gradient; then `L` and `KL`, means over the positions in nats
///
/// # Panics
/// Where a target is no token of `weight`, there is none, or the teacher's logits are of other positions or
/// tokens.
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
    /// The loss of the text's token at one position and the teacher's distance; with `slopes` the logits
    /// become the gradient of the mean.
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

    /// Turns the logits into the gradient of `own` times the text's loss and `taught` times the divergence,
    /// which is given where it is the reverse one; but for what the text's token adds.
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

/// The gradients of hidden states and weight, each with its shape.
#[derive(Clone, Debug)]
struct State {
    hidden: (Vec<f32>, [usize; 3]),
    weight: (Vec<f32>, [usize; 2]),
}

impl Fused<2> for CrossEntropy {
    type State = State;

    fn forward(&self, inputs: [FlexTensor; 2], tracked: bool) -> (FlexTensor, State) {
        let [hidden, weight] = inputs.map(|input| input.to_contiguous());
        let (hidden_dims, weight_dims) = (dims::<3>(&hidden), dims::<2>(&weight));
        let (width, vocab_size) =
            (hidden_dims[2], weight_dims[usize::from(self.layout == Unembedding::Columns)]);
        let (states, weight) = (numbers(&hidden), numbers(&weight));
        let share = 1.0 / self.targets.len() as f32;
        // From a state to logits.
        let to_logits = Matrix::new(weight, weight_dims[0], weight_dims[1], weight_dims[1]);
        let to_logits = if self.layout == Unembedding::Rows { to_logits.transposed() } else { to_logits };
        let mut of_hidden = vec![0.0; if tracked { states.len() } else { 0 }];
        let mut of_weight = vec![0.0; if tracked { weight.len() } else { 0 }];
        let mut logits = vec![0.0; CHUNK.min(self.targets.len()) * vocab_size];
        let mut sums = [0.0; 2];
        for (chunk, targets) in self.targets.chunks(CHUNK).enumerate() {
            let range = chunk * CHUNK * width..(chunk * CHUNK + targets.len()) * width;
            let states = Matrix::new(&states[range.clone()], targets.len(), width, width);
            let logits = &mut logits[..targets.len() * vocab_size];
            product(logits, states, to_logits, false, Cores::All);
            let rows = logits.par_chunks_mut(vocab_size).enumerate();
            let losses: Vec<[f32; 2]> = rows
                .map(|(row, logits)| self.row_losses(chunk * CHUNK + row, logits, share, tracked))
                .collect();
            for [language, distance] in losses {
                sums[0] += f64::from(language);
                sums[1] += f64::from(distance);
            }
            if tracked {
                let slopes = Matrix::new(logits, targets.len(), vocab_size, vocab_size);
                product(&mut of_hidden[range], slopes, to_logits.transposed(), false, Cores::All);
                let (left, right) = match self.layout {
                    Unembedding::Rows => (slopes.transposed(), states),
                    Unembedding::Columns => (states.transposed(), slopes),
                };
                product(&mut of_weight, left, right, chunk > 0, Cores::All);
            }
        }
        let losses = self.losses(sums);
        let state = State { hidden: (of_hidden, hidden_dims), weight: (of_weight, weight_dims) };
        let count = losses.len();
        (tensor(losses, [count]), state)
    }

    fn gradients(&self, state: State, output: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let factor = numbers(&output.to_contiguous())[0];
        let State { hidden: (hidden, hidden_dims), weight: (weight, weight_dims) } = state;
        [
            wanted[0].then(|| tensor(scaled(hidden, factor), hidden_dims)),
            wanted[1].then(|| tensor(scaled(weight, factor), weight_dims)),
        ]
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
