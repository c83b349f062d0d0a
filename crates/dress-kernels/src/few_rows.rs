//! Linear layers over so few rows that the time goes to reading the weights: decoding.
//!
//! Burn's `flex` reads the weights of such a product with one core (the `gemm` crate's `gemv`), one layer
//! after the other. Here every core reads its own share, of all layers that have the same input at once.

use crate::dots::dots;
use crate::fused::{Inputs, dims, numbers, tensor};
use crate::vector::{add_scaled, vectorized};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::nn::Linear;
use burn::tensor::Tensor;
use rayon::prelude::*;
use std::ops::Range;

/// The most rows for which reading the weights is what takes the time.
const MAX_ROWS: usize = 4;

/// Shares that the work is cut into, whatever the number of threads: sums depend on it.
const SHARES: usize = 4;

/// Weights of a layer below which one core is done before another has begun.
const SMALL: usize = 1 << 14;

/// Columns whose sums stay in the nearest cache.
const COLUMNS: usize = 4096;

/// Rows of a weight that are read side by side, where they are long.
const TOGETHER: usize = 8;

/// Outputs whose weights are read once for all rows: of 768 inputs they fit the nearest cache, of 16,384 the
/// second.
const BLOCK: usize = 16;

/// Columns below which one row after the other is read faster.
const SHORT: usize = 1024;

/// `input * weight + bias` of every layer, where `input` has at most four rows and nothing is on the autodiff
/// graph.
///
/// # Shapes
/// - `input`: `[batch, seq, width]`; returns `[batch, seq, outputs]` for each layer
///
/// # Panics
/// Where a layer's weight does not have `width` rows.
pub fn linears_of_few_rows<const N: usize>(
    input: &Tensor<3>,
    layers: [&Linear; N],
) -> Option<[Tensor<3>; N]> {
    if !is_few(input) {
        return None;
    }
    let layers: Vec<Layer> = layers.into_iter().map(Layer::new).collect::<Option<_>>()?;
    products(input, &layers)?.try_into().ok()
}

/// `input * embedding^T`, under the conditions of [`linears_of_few_rows`].
///
/// # Shapes
/// - `input`: `[batch, seq, width]`, `embedding`: `[vocab_size, width]`; returns `[batch, seq, vocab_size]`
///
/// # Panics
/// Where the embedding does not have `width` columns.
pub fn unembed_few_rows(input: &Tensor<3>, embedding: &Tensor<2>) -> Option<Tensor<3>> {
    if !is_few(input) {
        return None;
    }
    products(input, &[Layer::of(embedding.clone().transpose(), None)?])?.pop()
}

fn is_few(input: &Tensor<3>) -> bool {
    let [batch, seq, _] = input.dims();
    (1..=MAX_ROWS).contains(&(batch * seq))
}

/// `input * weight + bias` of every layer.
fn products(input: &Tensor<3>, layers: &[Layer]) -> Option<Vec<Tensor<3>>> {
    let [batch, seq, width] = input.dims();
    let input = plain(input.clone())?.to_contiguous();
    let outputs = multiply(numbers(&input), width, layers)?.into_iter().zip(layers);
    let outputs = outputs.map(|(mut out, layer)| {
        layer.add_bias(&mut out);
        Tensor::from_primitive::<Flex>(tensor(out, [batch, seq, layer.outputs]))
    });
    Some(outputs.collect())
}

fn plain<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    let Inputs::Plain([tensor]) = Inputs::new([tensor.into_dispatch()])? else { return None };
    Some(tensor)
}

/// A weight `[inputs, outputs]` and its bias.
struct Layer {
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    inputs: usize,
    outputs: usize,
    order: Order,
}

/// What lies one after the other in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The weights that one input is multiplied with, as in Burn's layers.
    OfInput,
    /// The weights that make one output, as in an embedding.
    OfOutput,
}

impl Layer {
    fn new(layer: &Linear) -> Option<Self> {
        Self::of(layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()))
    }

    fn of(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Option<Self> {
        let weight = plain(weight)?;
        let bias = match bias {
            Some(bias) => Some(plain(bias)?.to_contiguous()),
            None => None,
        };
        let [inputs, outputs] = dims(&weight);
        if inputs == 0 || outputs == 0 {
            return None;
        }
        let order = match *weight.layout().strides() {
            [row, 1] if row == outputs as isize => Order::OfInput,
            [1, column] if column == inputs as isize => Order::OfOutput,
            _ => return None,
        };
        Some(Self { weight, bias, inputs, outputs, order })
    }

    /// The weights, in their order.
    fn weights(&self) -> &[f32] {
        let start = self.weight.layout().start_offset();
        &self.weight.storage()[start..start + self.inputs * self.outputs]
    }

    fn add_bias(&self, out: &mut [f32]) {
        let Some(bias) = self.bias.as_ref().map(numbers) else { return };
        for row in out.chunks_exact_mut(self.outputs) {
            row.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
        }
    }
}

/// The products of `rows`, each `width` long, with every layer; `None` where the layers are not in one order.
fn multiply(rows: &[f32], width: usize, layers: &[Layer]) -> Option<Vec<Vec<f32>>> {
    assert!(layers.iter().all(|layer| layer.inputs == width), "an input of {width} does not fit a layer");
    let order = layers.first()?.order;
    if layers.iter().any(|layer| layer.order != order) {
        return None;
    }
    Some(match order {
        Order::OfInput => by_inputs(rows, width, layers),
        Order::OfOutput => layers.iter().map(|layer| by_outputs(rows, width, layer)).collect(),
    })
}

/// Every share multiplies some of the inputs with their weights, which lie one after the other, for all
/// outputs.
fn by_inputs(rows: &[f32], width: usize, layers: &[Layer]) -> Vec<Vec<f32>> {
    let count = rows.len() / width;
    let outputs: usize = layers.iter().map(|layer| layer.outputs).sum();
    let shares = if outputs * width < SMALL { 1 } else { SHARES };
    let inputs = width.div_ceil(shares).next_multiple_of(TOGETHER);
    let mut sums = vec![0.0; shares * count * outputs];
    sums.par_chunks_mut(count * outputs).with_max_len(1).enumerate().for_each(|(share, mut sums)| {
        let range = (share * inputs).min(width)..((share + 1) * inputs).min(width);
        for layer in layers {
            let (own, rest) = sums.split_at_mut(count * layer.outputs);
            add_share(own, rows, width, layer, range.clone());
            sums = rest;
        }
    });
    let (total, others) = sums.split_at_mut(count * outputs);
    for share in others.chunks_exact(count * outputs) {
        total.iter_mut().zip(share).for_each(|(total, share)| *total += share);
    }
    let mut rest = &*total;
    let split = layers.iter().map(|layer| {
        let (own, others) = rest.split_at(count * layer.outputs);
        rest = others;
        own.to_vec()
    });
    split.collect()
}

/// Adds what the inputs of `range` give to the sums of one layer.
fn add_share(sums: &mut [f32], rows: &[f32], width: usize, layer: &Layer, range: Range<usize>) {
    let outputs = layer.outputs;
    let weights = &layer.weights()[range.start * outputs..range.end * outputs];
    let rows = || rows.chunks_exact(width).map(|row| &row[range.clone()]);
    vectorized(
        #[inline(always)]
        || {
            if outputs < SHORT {
                for (row, sums) in rows().zip(sums.chunks_exact_mut(outputs)) {
                    for (weights, &factor) in weights.chunks_exact(outputs).zip(row) {
                        add_scaled(sums, weights, factor);
                    }
                }
                return;
            }
            for start in (0..outputs).step_by(COLUMNS) {
                let columns = start..(start + COLUMNS).min(outputs);
                let mut first = 0;
                for weights in weights.chunks(TOGETHER * outputs) {
                    let together = weights.len() / outputs;
                    let at = |input: usize| &weights[input * outputs..][columns.clone()];
                    for (row, sums) in rows().zip(sums.chunks_exact_mut(outputs)) {
                        let (sums, row) = (&mut sums[columns.clone()], &row[first..first + together]);
                        match row.try_into() {
                            Ok(row) => add_together(sums, std::array::from_fn(at), row),
                            Err(_) => row.iter().enumerate().for_each(
                                #[inline(always)]
                                |(input, &factor)| add_scaled(sums, at(input), factor),
                            ),
                        }
                    }
                    first += together;
                }
            }
        },
    );
}

#[inline(always)]
fn add_together(sums: &mut [f32], weights: [&[f32]; TOGETHER], x: [f32; TOGETHER]) {
    let len = sums.len();
    let [a, b, c, d, e, f, g, h] = weights.map(
        #[inline(always)]
        |weights| &weights[..len],
    );
    for i in 0..len {
        let first = x[0] * a[i] + x[1] * b[i] + (x[2] * c[i] + x[3] * d[i]);
        let second = x[4] * e[i] + x[5] * f[i] + (x[6] * g[i] + x[7] * h[i]);
        sums[i] += first + second;
    }
}

/// Every share makes some of the outputs, whose weights lie one after the other.
fn by_outputs(rows: &[f32], width: usize, layer: &Layer) -> Vec<f32> {
    let (weights, outputs, count) = (layer.weights(), layer.outputs, rows.len() / width);
    let share = if outputs * width < SMALL { outputs } else { outputs.div_ceil(SHARES) };
    let mut by_output = vec![0.0; outputs * count];
    let shares = by_output.par_chunks_mut(share * count).zip(weights.par_chunks(share * width));
    shares.with_max_len(1).for_each(|(out, weights)| {
        let blocks = out.chunks_mut(BLOCK * count).zip(weights.chunks(BLOCK * width));
        for (out, weights) in blocks {
            for (at, row) in rows.chunks_exact(width).enumerate() {
                dots((row, 1.0), (weights, width), (&mut out[at..], count));
            }
        }
    });
    if count == 1 {
        return by_output;
    }
    (0..count).flat_map(|row| by_output.iter().skip(row).step_by(count).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::LinearConfig;
    use burn::tensor::{DType, Device, Distribution, Tolerance};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex())
    }

    fn linear(inputs: usize, outputs: usize) -> Linear {
        Linear { weight: Param::from_tensor(random([inputs, outputs])), bias: None }
    }

    fn agree<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
        let tolerance = Tolerance::absolute(1e-4);
        found.into_data().assert_approx_eq::<f32>(&expected.into_data(), tolerance);
    }

    #[test]
    fn layers_of_every_size_do_what_burn_does() {
        for (shape, width, outputs) in [
            ([1, 1], 3, [1, 2]),
            ([1, 3], 37, [1500, 7]),
            ([2, 2], 130, [300, 5000]),
            ([4, 1], 288, [192, 576]),
        ] {
            let input = random([shape[0], shape[1], width]);
            let mut layers = outputs.map(|outputs| linear(width, outputs));
            layers[1].bias = Some(Param::from_tensor(random([outputs[1]])));
            let found = linears_of_few_rows(&input, layers.each_ref()).unwrap();
            for (found, layer) in found.into_iter().zip(layers) {
                agree(found, layer.forward(input.clone()));
            }
        }
    }

    #[test]
    fn weights_that_lie_by_outputs_do_what_the_others_do() {
        for (rows, width, vocab_size) in [(1, 70, 1000), (3, 33, 11), (3, 33, 1000)] {
            let (input, embedding) = (random([rows, 1, width]), random([vocab_size, width]));
            let expected = input.clone().matmul(embedding.clone().transpose().unsqueeze());
            agree(unembed_few_rows(&input, &embedding).unwrap(), expected.clone());
            let layer = Linear { weight: Param::from_tensor(embedding.transpose()), bias: None };
            let [found] = linears_of_few_rows(&input, [&layer]).unwrap();
            agree(found, expected);
        }
    }

    #[test]
    fn what_is_not_meant_for_it_is_left_to_burn() {
        let layer = linear(8, 8);
        assert!(linears_of_few_rows(&random([1, MAX_ROWS + 1, 8]), [&layer]).is_none());
        assert!(linears_of_few_rows(&random([1, 0, 8]), [&layer]).is_none());
        assert!(linears_of_few_rows(&random([1, 1, 8]).cast(DType::BF16), [&layer]).is_none());
        let other = Linear { weight: Param::from_tensor(random([8, 8]).transpose()), bias: None };
        assert!(linears_of_few_rows(&random([1, 1, 8]), [&layer, &other]).is_none());
        let device = Device::flex().autodiff();
        let trained = LinearConfig::new(8, 8).init(&device);
        let input = Tensor::ones([1, 1, 8], &device);
        assert!(linears_of_few_rows(&input, [&trained]).is_none());
    }
}
