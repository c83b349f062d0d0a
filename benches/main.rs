//! `cargo bench`: every stage with this machine's ceiling beside it. `cargo bench -- decode` runs one group.

mod evaluation;
mod files;
mod forward;
mod rewriting;
mod scoring;
mod training;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    forward::prefill,
    forward::decode,
    training::step,
    scoring::criteria,
    rewriting::basis,
    rewriting::weights,
    rewriting::streaming,
    files::checkpoint,
    files::tokenization,
    evaluation::evaluation
);
criterion_main!(benches);
