//! Root-mean-square normalization.

use crate::fused::{Fused, Inputs, apply, dims, numbers, tensor};
use crate::vector::{TASK, sum, vectorized};
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `x / sqrt(mean(x^2) + epsilon) * weight` over the last dimension, in one pass.
///
/// # Shapes
/// - `input`: `[batch, seq, width]`, returned likewise; `weight`: `[width]`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use dress_kernels::rms_norm;
///
/// let device = Device::flex();
/// let (input, weight) = (Tensor::<3>::full([1, 1, 4], 3.0, &device), Tensor::<1>::ones([4], &device));
/// let normed = rms_norm(&input, &weight, 0.0).expect("numbers in f32 on a CPU");
/// assert!((normed.sum().into_scalar::<f32>() - 4.0).abs() < 1e-5);
/// ```
pub fn rms_norm(input: &Tensor<3>, weight: &Tensor<1>, epsilon: f64) -> Option<Tensor<3>> {
    let inputs = Inputs::new([input.clone().into_dispatch(), weight.clone().into_dispatch()])?;
    Some(apply(RmsNorm { epsilon: epsilon as f32 }, inputs))
}

#[derive(Debug)]
struct RmsNorm {
    epsilon: f32,
}

/// The inputs, and for every row by what it was multiplied.
type State = (FlexTensor, FlexTensor, Vec<f32>);

impl Fused<2> for RmsNorm {
    type State = State;

    fn forward(&self, [input, weight]: [FlexTensor; 2], _tracked: bool) -> (FlexTensor, State) {
        let (input, weight) = (input.to_contiguous(), weight.to_contiguous());
        let shape: [usize; 3] = dims(&input);
        let width = shape[2];
        let (x, gains) = (numbers(&input), numbers(&weight));
        let mut out = vec![0.0; x.len()];
        let mut factors = vec![0.0; x.len() / width];
        let rows = rows_a_task(width);
        let tasks =
            (out.par_chunks_mut(rows * width), factors.par_chunks_mut(rows), x.par_chunks(rows * width));
        tasks.into_par_iter().for_each(|(out, factors, x)| {
            vectorized(
                #[inline(always)]
                || {
                    let rows = out.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(factors);
                    for ((out, x), factor) in rows {
                        let squares = sum(
                            width,
                            #[inline(always)]
                            |i| x[i] * x[i],
                        );
                        *factor = 1.0 / (squares / width as f32 + self.epsilon).sqrt();
                        for ((out, x), gain) in out.iter_mut().zip(x).zip(gains) {
                            *out = x * *factor * gain;
                        }
                    }
                },
            );
        });
        (tensor(out, shape), (input, weight, factors))
    }

    fn gradients(&self, state: State, output: FlexTensor, _wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let (input, weight, factors) = state;
        let output = output.to_contiguous();
        let shape: [usize; 3] = dims(&input);
        let width = shape[2];
        let (x, gains, output) = (numbers(&input), numbers(&weight), numbers(&output));
        let mut of_input = vec![0.0; x.len()];
        let rows = rows_a_task(width);
        let tasks = (of_input.par_chunks_mut(rows * width), factors.par_chunks(rows));
        let tasks = (tasks.0, tasks.1, x.par_chunks(rows * width), output.par_chunks(rows * width));
        let of_gains: Vec<Vec<f32>> = tasks
            .into_par_iter()
            .map(|(of_input, factors, x, output)| {
                let mut of_gains = vec![0.0; width];
                vectorized(
                    #[inline(always)]
                    || {
                        let rows = of_input.chunks_exact_mut(width).zip(x.chunks_exact(width));
                        for (((of_input, x), output), &factor) in
                            rows.zip(output.chunks_exact(width)).zip(factors)
                        {
                            row_gradient(of_input, &mut of_gains, x, output, gains, factor);
                        }
                    },
                );
                of_gains
            })
            .collect();
        [Some(tensor(of_input, shape)), Some(tensor(total(of_gains, width), [width]))]
    }
}

/// With `n = x * f`, the gradient of row `x` is `f * (g - n * mean(g * n))` where `g` is that of `n`.
#[inline(always)]
fn row_gradient(
    of_input: &mut [f32],
    of_gains: &mut [f32],
    x: &[f32],
    output: &[f32],
    gains: &[f32],
    factor: f32,
) {
    let width = of_input.len();
    let (x, output, gains, of_gains) =
        (&x[..width], &output[..width], &gains[..width], &mut of_gains[..width]);
    let along = sum(
        width,
        #[inline(always)]
        |i| output[i] * gains[i] * x[i],
    );
    let pull = along * factor * factor * factor / width as f32;
    for i in 0..width {
        of_input[i] = output[i] * gains[i] * factor - x[i] * pull;
        of_gains[i] += output[i] * x[i] * factor;
    }
}

/// Rows that one task handles.
fn rows_a_task(width: usize) -> usize {
    (TASK / width).max(1)
}

/// The sum of what every task found, in their order.
fn total(parts: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    parts.into_iter().fold(vec![0.0; width], |mut total, part| {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        total
    })
}
