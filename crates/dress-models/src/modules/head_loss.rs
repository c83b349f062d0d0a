//! The loss of a head that ends in one product, without ever having all logits.

use super::{linear, tied_head};
use burn::nn::Linear;
use burn::tensor::{DType, Int, Tensor};
use dress_core::{DistilledLoss, TaughtLogits, distilled_loss_of_logits, loss_of_logits};
use dress_kernels::{TaughtBy, Unembedding, cross_entropy, distilled_cross_entropy};

/// Mean negative log-likelihood, in nats, of `targets` under the logits of `head` or, without one, of the
/// `embedding`.
///
/// # Shapes
/// - `input`: `[batch, seq, width]`, `targets`: `[batch, seq]`, `embedding`: `[vocab_size, width]`; returns
///   `[1]`
pub fn head_loss(
    input: Tensor<3>,
    head: Option<&Linear>,
    embedding: impl FnOnce() -> Tensor<2>,
    targets: Tensor<2, Int>,
) -> Tensor<1> {
    let (weight, layout) = unembedding(head, embedding);
    let bias = head.and_then(|head| head.bias.as_ref()).map(|bias| bias.val());
    let fused = if bias.is_none() { cross_entropy(&input, &weight, layout, &targets) } else { None };
    fused.unwrap_or_else(|| chunked_loss(input, weight, bias, layout, targets))
}

/// [`head_loss`] beside what a teacher says of the same positions.
///
/// # Shapes
/// - `input`: `[batch, seq, width]`, `targets`: `[batch, seq]`, `embedding`: `[vocab_size, width]`
pub fn distilled_head_loss(
    input: Tensor<3>,
    head: Option<&Linear>,
    embedding: impl FnOnce() -> Tensor<2>,
    targets: Tensor<2, Int>,
    taught: &TaughtLogits,
) -> DistilledLoss {
    let (weight, layout) = unembedding(head, embedding);
    let fused = if head.is_none_or(|head| head.bias.is_none()) {
        let &TaughtLogits { ref logits, alpha, temperature, direction } = taught;
        let reverse = !direction.is_forward();
        let taught = TaughtBy { logits, alpha, temperature, reverse };
        distilled_cross_entropy(&input, &weight, layout, &targets, &taught)
    } else {
        None
    };
    match (fused, head) {
        (Some(losses), _) => {
            let [total, language, divergence] = [0, 1, 2].map(|place| losses.clone().narrow(0, place, 1));
            DistilledLoss { total, language_modelling: language.detach(), divergence: divergence.detach() }
        }
        (None, Some(head)) => distilled_loss_of_logits(linear(head, input), targets, taught),
        (None, None) => distilled_loss_of_logits(tied_head(input, weight), targets, taught),
    }
}

/// The matrix that makes logits, and how it lies in memory.
fn unembedding(head: Option<&Linear>, embedding: impl FnOnce() -> Tensor<2>) -> (Tensor<2>, Unembedding) {
    match head {
        Some(head) => (head.weight.val(), Unembedding::Columns),
        None => (embedding(), Unembedding::Rows),
    }
}

/// Positions whose logits are in memory at the same time.
const CHUNK: usize = 256;

/// [`head_loss`] in Burn's own operations. On an autodiff device the gradients of each chunk are made while
/// its logits are there, as in [`cross_entropy`]; what goes on the graph is a sum whose gradients they are.
fn chunked_loss(
    input: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    layout: Unembedding,
    targets: Tensor<2, Int>,
) -> Tensor<1> {
    let [batch, seq, width] = input.dims();
    let positions = batch * seq;
    let (input, targets) = (input.reshape([positions, width]), targets.reshape([1, positions]));
    let chunk_loss = |input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, start: usize| {
        let rows = input.dims()[0];
        let weight = if layout == Unembedding::Rows { weight.transpose() } else { weight };
        let mut logits = input.matmul(weight);
        if let Some(bias) = bias {
            logits = logits + bias.unsqueeze();
        }
        let share = rows as f64 / positions as f64;
        loss_of_logits(logits.unsqueeze(), targets.clone().narrow(1, start, rows)) * share
    };
    let chunks = (0..positions).step_by(CHUNK).map(|start| (start, CHUNK.min(positions - start)));
    if !input.is_autodiff() {
        let losses = chunks.map(|(start, rows)| {
            chunk_loss(input.clone().narrow(0, start, rows), weight.clone(), bias.clone(), start)
        });
        return losses.reduce(|sum, loss| sum + loss).unwrap_or_else(|| unreachable!("no positions"));
    }
    let (mut total, mut of_weight, mut of_bias) = (Sum::default(), Sum::default(), Sum::default());
    let mut of_input = Vec::new();
    for (start, rows) in chunks {
        let states = leaf(&input.clone().narrow(0, start, rows), true);
        let weight = leaf(&weight, weight.is_tracked());
        let bias = bias.as_ref().map(|bias| leaf(bias, bias.is_tracked()));
        let loss = chunk_loss(states.clone(), weight.clone(), bias.clone(), start);
        let gradients = loss.backward();
        total.add(Some(loss.detach()));
        of_input.extend(states.grad(&gradients));
        of_weight.add(weight.grad(&gradients));
        of_bias.add(bias.and_then(|bias| bias.grad(&gradients)));
    }
    let total = total.0.unwrap_or_else(|| unreachable!("no positions"));
    let carriers = [
        carrying(&input, Some(Tensor::cat(of_input, 0))),
        carrying(&weight, of_weight.0),
        bias.as_ref().and_then(|bias| carrying(bias, of_bias.0)),
    ];
    // Nothing in value.
    carriers.into_iter().flatten().fold(total, |total, carrier| total + (carrier.clone() - carrier.detach()))
}

/// The same numbers at the start of a graph of their own.
fn leaf<const D: usize>(tensor: &Tensor<D>, tracked: bool) -> Tensor<D> {
    let fixed = tensor.clone().detach();
    if tracked { fixed.require_grad() } else { fixed }
}

/// A sum in f32, whatever the type of what is added.
#[derive(Default)]
struct Sum<const D: usize>(Option<Tensor<D>>);

impl<const D: usize> Sum<D> {
    fn add(&mut self, gradient: Option<Tensor<D>>) {
        let Some(gradient) = gradient.map(|gradient| gradient.cast(DType::F32)) else { return };
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + gradient,
            None => gradient,
        });
    }
}

/// A number whose gradient by `tensor` is `gradient`, where it has one. `[1]`
fn carrying<const D: usize>(tensor: &Tensor<D>, gradient: Option<Tensor<D>>) -> Option<Tensor<1>> {
    let gradient = gradient?.cast(DType::F32).autodiff();
    let gradient = match tensor.device().gradient_checkpointing_strategy() {
        Some(strategy) => gradient.with_gradient_checkpointing_strategy(strategy),
        None => gradient,
    };
    Some((tensor.clone().cast(DType::F32) * gradient).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, TensorData, Tolerance};

    #[test]
    fn the_loss_in_chunks_and_its_gradients_are_those_of_all_logits() {
        let (batch, seq, width, vocab_size) = (2, 300, 12, 31);
        let inner = Device::flex();
        let random2 = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &inner);
        let input = random2([batch * seq, width]).reshape([batch, seq, width]);
        let (rows, offsets) = (random2([vocab_size, width]), random2([1, vocab_size]).squeeze_dim::<1>(0));
        let ids: Vec<i32> = (0..(batch * seq)).map(|i| (i * 37) % vocab_size).collect();
        for (layout, with_bias) in [(Unembedding::Rows, false), (Unembedding::Columns, true)] {
            let weight = if layout == Unembedding::Rows { rows.clone() } else { rows.clone().transpose() };
            let run = |chunked: bool| {
                let leaf = |tensor: Tensor<2>| tensor.autodiff().require_grad();
                let (input, weight) = (input.clone().autodiff().require_grad(), leaf(weight.clone()));
                let bias = with_bias.then(|| offsets.clone().autodiff().require_grad());
                let targets = TensorData::new(ids.clone(), [batch, seq]);
                let targets = Tensor::<2, Int>::from_data(targets, &input.device());
                let loss = if chunked {
                    chunked_loss(input.clone(), weight.clone(), bias.clone(), layout, targets)
                } else {
                    let columns = if with_bias { weight.clone() } else { weight.clone().transpose() };
                    let logits = input.clone().matmul(columns.unsqueeze());
                    let logits = bias.clone().map_or(logits.clone(), |bias| logits + bias.unsqueeze());
                    loss_of_logits(logits, targets)
                };
                let gradients = (loss.clone() * 3.0).backward();
                let of_bias = bias.map(|bias| bias.grad(&gradients).unwrap().into_data());
                let of_input = input.grad(&gradients).unwrap().into_data();
                (loss.into_data(), of_input, weight.grad(&gradients).unwrap().into_data(), of_bias)
            };
            let (found, expected) = (run(true), run(false));
            let close = |found: &TensorData, expected: &TensorData| {
                found.assert_approx_eq::<f32>(expected, Tolerance::absolute(2e-6).set_relative(1e-5));
            };
            close(&found.0, &expected.0);
            close(&found.1, &expected.1);
            close(&found.2, &expected.2);
            assert_eq!(found.3.is_some(), with_bias);
            found.3.iter().zip(&expected.3).for_each(|(found, expected)| close(found, expected));
        }
    }

    #[test]
    fn off_the_graph_the_loss_in_chunks_is_that_of_all_logits() {
        let device = Device::flex();
        let input = Tensor::<3>::random([1, 700, 8], Distribution::Default, &device);
        let weight = Tensor::<2>::random([19, 8], Distribution::Default, &device);
        let targets = Tensor::<2, Int>::zeros([1, 700], &device);
        let expected =
            loss_of_logits(input.clone().matmul(weight.clone().transpose().unsqueeze()), targets.clone());
        let found = chunked_loss(input, weight, None, Unembedding::Rows, targets);
        found.into_data().assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-6));
    }
}
