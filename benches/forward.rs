//! Prefill and decode at SmolLM2-135M's shape, dense and at 25% and 50% of the width removed, beside a plain
//! Burn matrix product of the model's own sizes, which is this machine's ceiling.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dress_benches::{narrower, smollm2, tokens};
use dress_core::burn::tensor::{Device, Distribution, Tensor};
use dress_core::{CausalLm, Forward, KvCache, NoTap};
use dress_models::AnyModel;
use std::hint::black_box;

const SEQ: usize = 512;

/// Tokens before the one that is decoded.
const PROMPT: usize = 64;

fn models(device: &Device) -> Vec<(&'static str, AnyModel)> {
    let dense = smollm2(device);
    let cut =
        |removed| dress_prune::slice(dense.clone(), &narrower(&dense, removed)).expect("the shape is legal");
    vec![("dense", dense.clone()), ("width-432", cut(144)), ("width-288", cut(288))]
}

fn prefill(criterion: &mut Criterion) {
    let device = dress_core::device::parse("auto").expect("there is always a device");
    let mut group = criterion.benchmark_group("prefill");
    group.sample_size(10).throughput(Throughput::Elements(SEQ as u64));
    for (name, model) in models(&device) {
        let ids = tokens(SEQ, model.vocab_size());
        group.bench_with_input(BenchmarkId::from_parameter(name), &model, |bencher, model| {
            bencher.iter(|| {
                let input = dress_core::Calibration::tensor(&ids.blocks, &device);
                black_box(model.forward(input, &mut Forward::new(&mut NoTap)).into_data())
            });
        });
    }
}

fn decode(criterion: &mut Criterion) {
    let device = dress_core::device::parse("auto").expect("there is always a device");
    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for (name, model) in models(&device) {
        let step = |ids: &[Vec<u32>], cache: &mut KvCache| {
            let (input, mut tap) = (dress_core::Calibration::tensor(ids, &device), NoTap);
            model.forward_last(input, &mut Forward::new(&mut tap).with_cache(cache)).into_data()
        };
        let mut prompt = KvCache::new(model.num_blocks(), PROMPT);
        step(&tokens(PROMPT, model.vocab_size()).blocks, &mut prompt);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            // Buffers of its own for every step, so that all of them come after the same prompt and none copies what it
            // shares with another.
            bencher.iter_batched_ref(
                || prompt.select_rows(&[0], PROMPT + 1),
                |cache| black_box(step(&[vec![11]], cache)),
                BatchSize::PerIteration,
            );
        });
    }
}

fn ceiling(criterion: &mut Criterion) {
    let device = dress_core::device::parse("auto").expect("there is always a device");
    let mut group = criterion.benchmark_group("ceiling");
    let random = |rows, columns| Tensor::<2>::random([rows, columns], Distribution::Default, &device);
    let (left, right) = (random(SEQ, 576), random(576, 1536));
    // Counted as multiply-adds, two operations each.
    group.throughput(Throughput::Elements(2 * (SEQ * 576 * 1536) as u64));
    group.bench_function("matmul-512x576x1536", |bencher| {
        bencher.iter(|| black_box(left.clone().matmul(right.clone()).into_data()));
    });
}

criterion_group!(benches, prefill, decode, ceiling);
criterion_main!(benches);
