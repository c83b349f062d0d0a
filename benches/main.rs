//! `cargo bench`: every stage with this machine's ceiling beside it. `cargo bench -- decode` runs one group.

mod evaluation;
mod files;
mod forward;
mod rewriting;
mod scoring;
mod training;

use criterion::{Criterion, criterion_group};
use dress_machine::memory;

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

#[global_allocator]
static ALLOCATOR: dress_machine::HugePages = dress_machine::HugePages;

fn main() {
    memory::keep_freed();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
