//! Every fused operation equals the same in Burn's own operations, results and gradients.

mod optimizer;
mod reference;

use burn::tensor::activation::{log_softmax, silu};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData, Tolerance, s};
use dress_kernels::{
    TaughtBy, Unembedding, causal_attention, cross_entropy, distilled_cross_entropy, gated_silu, rms_norm,
    rotate_half, token_likelihoods, unembed_few_rows,
};

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn close<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
    let tolerance = Tolerance::absolute(2e-5).set_relative(2e-5);
    found.into_data().assert_approx_eq::<f32>(&expected.into_data(), tolerance);
}

/// Compares the results of two functions, and what both send back to their inputs for the same gradient.
fn same<const D: usize, const E: usize, const N: usize>(
    inputs: [&Tensor<E>; N],
    found: impl Fn([Tensor<E>; N]) -> Option<Tensor<D>>,
    expected: impl Fn([Tensor<E>; N]) -> Tensor<D>,
) {
    let leaves = || inputs.map(|input| input.clone().autodiff().require_grad());
    let (of_found, of_expected) = (leaves(), leaves());
    let (found, expected) = (found(of_found.clone()).unwrap(), expected(of_expected.clone()));
    close(found.clone(), expected.clone());
    let slopes = random(found.dims()).autodiff();
    let found = (found * slopes.clone()).sum().backward();
    let expected = (expected * slopes).sum().backward();
    for (of_found, of_expected) in of_found.iter().zip(&of_expected) {
        close(of_found.grad(&found).unwrap(), of_expected.grad(&expected).unwrap());
    }
}

#[test]
fn rms_norm_equals_its_definition() {
    for shape in [[2, 5, 48], [1, 300, 576], [1, 1, 7]] {
        let (input, weight) = (random(shape), random([shape[2]]));
        let (fixed_input, fixed_weight) = (input.clone().autodiff(), weight.clone().autodiff());
        let definition = reference::rms_norm;
        same(
            [&input],
            |[input]| rms_norm(&input, &fixed_weight, 1e-5),
            |[input]| definition(input, fixed_weight.clone(), 1e-5),
        );
        same(
            [&weight],
            |[weight]| rms_norm(&fixed_input, &weight, 1e-5),
            |[weight]| definition(fixed_input.clone(), weight, 1e-5),
        );
    }
}

#[test]
fn gated_silu_equals_its_definition() {
    for shape in [[2, 5, 48], [1, 70, 1536]] {
        let (gate, up) = (random(shape) * 4.0, random(shape));
        same([&gate, &up], |[gate, up]| gated_silu(&gate, &up), |[gate, up]| silu(gate) * up);
    }
}

#[test]
fn rotation_equals_its_definition_on_any_layout_and_in_part() {
    for (heads, seq, width, half) in [(3, 9, 16, 8), (2, 130, 64, 32), (2, 5, 16, 3)] {
        let angles = random([seq, half]).autodiff();
        let tables = [angles.clone().cos(), angles.sin()];
        let states = random([2, seq, heads, width]);
        same(
            [&states],
            |[states]| rotate_half(&states.swap_dims(1, 2), &tables),
            |[states]| reference::rotate_half(states.swap_dims(1, 2), tables.clone()),
        );
    }
}

#[test]
fn attention_equals_its_definition() {
    for (heads, kv_heads, seq, keys, width) in [
        (4, 4, 5, 5, 16),
        (6, 2, 200, 200, 16),
        (3, 1, 7, 50, 16),
        (4, 2, 1, 33, 16),
        (6, 3, 1, 700, 16),
        (2, 2, 300, 300, 16),
        (3, 1, 1, 50, 80),
        (2, 2, 1, 40, 45),
    ] {
        let query = random([2, seq, heads, width]);
        let (key, value) = (random([2, kv_heads, keys, width]), random([2, kv_heads, keys, width]));
        same(
            [&query, &key, &value],
            |[query, key, value]| causal_attention(&query.swap_dims(1, 2), &key, &value),
            |[query, key, value]| reference::causal_attention(query.swap_dims(1, 2), key, value),
        );
    }
}

#[test]
fn attention_reads_the_start_of_a_longer_buffer() {
    for seq in [1, 3] {
        let (query, buffer) = (random([1, 4, seq, 8]), random([1, 2, 20, 8]));
        let keys = buffer.clone().narrow(2, 0, 11);
        let values = (buffer * 2.0).narrow(2, 0, 11);
        let expected = reference::causal_attention(query.clone(), keys.clone(), values.clone());
        close(causal_attention(&query, &keys, &values).unwrap(), expected);
    }
}

#[test]
fn cross_entropy_equals_its_definition_for_both_layouts() {
    for seq in [3, 300] {
        let (hidden, rows) = (random([2, seq, 24]), random([101, 24]));
        let ids: Vec<i64> = (0..2 * seq as i64).map(|i| (i * 37) % 101).collect();
        let device = hidden.device().autodiff();
        let targets = Tensor::<2, Int>::from_data(TensorData::new(ids, [2, seq]), &device);
        let (fixed_hidden, fixed_rows) = (hidden.clone().autodiff(), rows.clone().autodiff());
        let expected = |hidden: Tensor<3>, rows: Tensor<2>| {
            reference::cross_entropy(reference::logits(hidden, rows), targets.clone())
        };
        for layout in [Unembedding::Rows, Unembedding::Columns] {
            let found = |hidden: Tensor<3>, rows: Tensor<2>| {
                let weight = if layout == Unembedding::Rows { rows } else { rows.transpose() };
                cross_entropy(&hidden, &weight, layout, &targets)
            };
            same([&hidden], |[h]| found(h, fixed_rows.clone()), |[h]| expected(h, fixed_rows.clone()));
            same([&rows], |[r]| found(fixed_hidden.clone(), r), |[r]| expected(fixed_hidden.clone(), r));
        }
    }
}

#[test]
fn distilled_cross_entropy_equals_its_definition() {
    let (hidden, rows, seq) = (random([2, 150, 24]), random([101, 24]), 150);
    let taught = random([2, seq, 101]) * 2.0;
    let ids: Vec<i64> = (0..2 * seq as i64).map(|i| (i * 37) % 101).collect();
    let device = hidden.device().autodiff();
    let targets = Tensor::<2, Int>::from_data(TensorData::new(ids, [2, seq]), &device);
    let (fixed_hidden, fixed_rows) = (hidden.clone().autodiff(), rows.clone().autodiff());
    let cases = [(0.0, 1.0, false), (0.3, 1.0, false), (1.0, 1.0, false), (0.6, 2.5, false)];
    for (alpha, temperature, reverse) in cases.into_iter().chain([(1.0, 1.0, true), (0.6, 2.5, true)]) {
        let terms = |hidden: Tensor<3>, rows: Tensor<2>| {
            let logits = reference::logits(hidden, rows);
            let taught = taught.clone().autodiff();
            let [of, from] = if reverse { [taught, logits.clone()] } else { [logits.clone(), taught] };
            let distance = reference::divergence(of, from, temperature);
            (reference::cross_entropy(logits, targets.clone()), distance)
        };
        let expected = |hidden: Tensor<3>, rows: Tensor<2>| {
            let (language, distance) = terms(hidden, rows);
            language * (1.0 - alpha) + distance * (alpha * temperature * temperature)
        };
        for layout in [Unembedding::Rows, Unembedding::Columns] {
            let all = |hidden: Tensor<3>, rows: Tensor<2>| {
                let weight = if layout == Unembedding::Rows { rows } else { rows.transpose() };
                let taught = TaughtBy { logits: &taught, alpha, temperature, reverse };
                distilled_cross_entropy(&hidden, &weight, layout, &targets, &taught)
            };
            let found =
                |hidden: Tensor<3>, rows: Tensor<2>| all(hidden, rows).map(|losses| losses.narrow(0, 0, 1));
            same([&hidden], |[h]| found(h, fixed_rows.clone()), |[h]| expected(h, fixed_rows.clone()));
            same([&rows], |[r]| found(fixed_hidden.clone(), r), |[r]| expected(fixed_hidden.clone(), r));
            let losses = all(fixed_hidden.clone(), fixed_rows.clone()).unwrap().inner();
            let (language, distance) = terms(fixed_hidden.clone(), fixed_rows.clone());
            close(losses.clone().narrow(0, 1, 1), language.inner());
            close(losses.narrow(0, 2, 1), distance.inner());
        }
    }
}

#[test]
fn what_the_teacher_rules_out_counts_for_nothing() {
    let device = Device::flex();
    let taught = Tensor::<3>::from_floats([[[0.0, 0.0, f32::NEG_INFINITY]]], &device);
    let (hidden, weight) = (Tensor::<3>::ones([1, 1, 1], &device), Tensor::<2>::zeros([3, 1], &device));
    let targets = Tensor::<2, Int>::zeros([1, 1], &device);
    let taught = TaughtBy { logits: &taught, alpha: 1.0, temperature: 1.0, reverse: false };
    let found = distilled_cross_entropy(&hidden, &weight, Unembedding::Rows, &targets, &taught);
    let distance: f32 = found.unwrap().narrow(0, 2, 1).into_scalar();
    assert!((distance - 1.5f32.ln()).abs() < 1e-6, "{distance}");
}

#[test]
fn likelihoods_equal_their_definition_and_ties_go_to_the_first() {
    let device = Device::flex();
    // Every other row is read, so that the logits are no contiguous tensor.
    let logits = (random([80, 1001]) * 5.0).slice(s![0..80;2, ..]);
    let likeliest: Vec<i64> = logits.clone().argmax(1).into_data().iter::<i64>().collect();
    let ids = likeliest.iter().enumerate().map(|(row, &best)| if row % 3 == 0 { best } else { row as i64 });
    let targets = Tensor::<1, Int>::from_data(TensorData::new(ids.collect::<Vec<_>>(), [40]), &device);
    let found = token_likelihoods(&logits, &targets).unwrap();
    let expected = log_softmax(logits, 1).gather(1, targets.clone().unsqueeze_dim(1)).into_data();
    for (row, (found, expected)) in found.iter().zip(expected.iter::<f64>()).enumerate() {
        assert!((found.log_likelihood - expected).abs() < 2e-5, "row {row}: {found:?} for {expected}");
        let is_likeliest = row % 3 == 0 || likeliest[row] == row as i64;
        assert_eq!(found.is_likeliest, is_likeliest, "row {row}");
    }
    let tie = Tensor::<2>::from_floats([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]], &device);
    let targets = Tensor::<1, Int>::from_ints([1, 2], &device);
    let tie = token_likelihoods(&tie, &targets).unwrap();
    assert_eq!([tie[0].is_likeliest, tie[1].is_likeliest], [true, false]);
}

#[test]
fn the_likelihood_under_a_logit_that_is_no_number_is_none() {
    let device = Device::flex();
    for logit in [f32::NAN, f32::INFINITY] {
        let logits = Tensor::<2>::from_floats([[0.0, logit]], &device);
        let found = token_likelihoods(&logits, &Tensor::zeros([1], &device)).unwrap();
        assert!(!found[0].log_likelihood.is_finite(), "{logit}: {found:?}");
    }
}

#[test]
fn a_loss_that_is_no_number_stays_none() {
    let device = Device::flex();
    let hidden = Tensor::<3>::full([1, 2, 4], f32::NAN, &device);
    let targets = Tensor::<2, Int>::zeros([1, 2], &device);
    let loss = cross_entropy(&hidden, &Tensor::ones([5, 4], &device), Unembedding::Rows, &targets).unwrap();
    assert!(loss.into_scalar::<f32>().is_nan());
}

#[test]
fn a_logit_of_minus_infinity_counts_for_nothing() {
    let device = Device::flex();
    let weight = Tensor::<2>::from_floats([[0.0], [0.0], [f32::NEG_INFINITY], [0.0]], &device);
    let targets = Tensor::<2, Int>::zeros([1, 2], &device);
    let loss = cross_entropy(&Tensor::ones([1, 2, 1], &device), &weight, Unembedding::Rows, &targets);
    let loss: f32 = loss.unwrap().into_scalar();
    assert!((loss - 3f32.ln()).abs() < 1e-6, "{loss}");
}

#[test]
fn other_types_and_checkpointed_graphs_are_left_to_burn() {
    let half = Tensor::<3>::ones([1, 2, 4], &Device::flex()).cast(DType::BF16);
    assert!(gated_silu(&half, &half).is_none());
    let checkpointed = Tensor::<3>::ones([1, 2, 4], &Device::flex().autodiff().gradient_checkpointing());
    assert!(gated_silu(&checkpointed, &checkpointed).is_none());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (query, key) = (random([1, 6, 333, 16]), random([1, 2, 333, 16]));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let leaves = [&query, &key].map(|t| t.clone().autodiff().require_grad());
            let [query, key] = leaves;
            let gradients = causal_attention(&query, &key, &key).unwrap().square().sum().backward();
            (query.grad(&gradients).unwrap().into_data(), key.grad(&gradients).unwrap().into_data())
        })
    };
    let (one, four) = (run(1), run(4));
    one.0.assert_eq(&four.0, true);
    one.1.assert_eq(&four.1, true);
}

#[test]
fn what_decoding_computes_does_not_depend_on_the_number_of_threads() {
    let (query, key) = (random([1, 6, 1, 16]), random([1, 2, 333, 16]));
    let (input, embedding) = (random([1, 1, 200]), random([300, 200]));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mixed = causal_attention(&query, &key, &key).unwrap().into_data();
            (mixed, unembed_few_rows(&input, &embedding).unwrap().into_data())
        })
    };
    let (one, four) = (run(1), run(4));
    one.0.assert_eq(&four.0, true);
    one.1.assert_eq(&four.1, true);
}
