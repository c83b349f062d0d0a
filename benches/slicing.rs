//! Slicing and permuting SmolLM2-135M's weights in memory, beside a plain copy of as many bytes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dress_benches::{narrower, smollm2};
use dress_core::parameters;
use dress_importance::Criterion as Score;
use std::hint::black_box;

fn slicing(criterion: &mut Criterion) {
    let device = dress_core::device::parse("cpu").expect("there is always the CPU");
    let model = smollm2(&device);
    let selection = narrower(&model, 144);
    let bytes = 4 * parameters::count(&model);
    let mut group = criterion.benchmark_group("weights");
    group.sample_size(10).throughput(Throughput::Bytes(bytes));
    group.bench_function("slice-432", |bencher| {
        bencher
            .iter(|| black_box(dress_prune::slice(model.clone(), &selection).expect("the shape is legal")));
    });
    group.bench_function("permute", |bencher| {
        bencher.iter(|| black_box(dress_prune::permute(model.clone(), &selection).expect("the axes exist")));
    });
    group.bench_function("score-magnitude-l2", |bencher| {
        let scorer = Score::MagnitudeL2.scorer(0);
        let none = dress_core::Calibration::default();
        bencher.iter(|| {
            black_box(scorer.score(&model, &none, &[dress_core::Axis::Residual], &dress_core::NoProgress))
        });
    });
    let source = vec![1u8; bytes as usize];
    group.bench_function("copy", |bencher| bencher.iter(|| black_box(source.clone())));
}

criterion_group!(benches, slicing);
criterion_main!(benches);
