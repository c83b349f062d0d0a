//! Seconds of a training step by phase, or of a forward pass, on random tokens, as one JSON line:
//! `cargo run --release -p dress-train --example step_speed -- DIR train|prefill SEQLEN REPEATS`.
//!
//! `benches/step_against_torch.py` runs it beside PyTorch.

use dress_core::burn::module::Module;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::{Device, Tensor};
use dress_core::{Calibration, CausalLm, Forward, NoTap};
use dress_kernels::{FusedAdamW, sum_of_squares};
use dress_machine::memory;
use dress_models::{AnyModel, LoadConfig};
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: dress_machine::HugePages = dress_machine::HugePages;

fn main() -> Result<(), Box<dyn Error>> {
    memory::keep_freed();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, what, seqlen, repeats] = arguments.as_slice() else {
        return Err("usage: step_speed DIR train|prefill SEQLEN REPEATS".into());
    };
    let (seqlen, repeats): (usize, usize) = (seqlen.parse()?, repeats.parse()?);
    let began = Instant::now();
    let model = AnyModel::load(directory.as_ref(), &LoadConfig::default(), &Device::flex())?;
    let load = began.elapsed().as_secs_f64();
    let vocab_size = model.vocab_size() as u64;
    let token = |i: u64| ((i * 2_654_435_761) % 4_294_967_291 % vocab_size) as u32;
    let ids = vec![(1..=seqlen as u64).map(token).collect()];
    let seconds = match what.as_str() {
        "train" => train(model, &ids, repeats),
        "prefill" => (0..repeats).map(|_| prefill(&model, &ids)).collect(),
        _ => return Err("what to measure is train or prefill".into()),
    };
    let totals = seconds.iter().map(|phases| phases.iter().sum::<f64>());
    let best = totals.skip(1).fold(f64::INFINITY, f64::min);
    let speed = seqlen as f64 / best;
    println!(
        "{{\"what\": \"{what}\", \"tokens_per_second\": {speed:.1}, \"best_s\": {best:.3}, \"load_s\": {load:.3}, \
         \"peak_mb\": {:.0}, \"phases_s\": {seconds:.3?}}}",
        // Thousands of KiB, as PyTorch's script has it.
        memory::peak().unwrap_or(0) as f64 / 1.024e6
    );
    Ok(())
}

/// Forward, backward, gradient norm and optimizer of every step.
fn train(model: AnyModel, ids: &[Vec<u32>], steps: usize) -> Vec<Vec<f64>> {
    let mut model = model.train();
    let mut optimizer = FusedAdamW::new([0.9, 0.95], 1e-8, 0.0).init();
    let mut seconds = Vec::new();
    for _ in 0..steps {
        let mut phases = Vec::new();
        let mut began = Instant::now();
        let mut lap = |phases: &mut Vec<f64>| {
            phases.push(began.elapsed().as_secs_f64());
            began = Instant::now();
        };
        let tokens = Calibration::tensor(ids, &model.device());
        let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap));
        let value: f32 = loss.clone().detach().into_scalar();
        lap(&mut phases);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        lap(&mut phases);
        let norm = norm(&model, &gradients);
        lap(&mut phases);
        model = optimizer.step(1e-6, model, gradients);
        lap(&mut phases);
        eprintln!("loss {value:.4}, gradient norm {norm:.4}, {phases:.3?}");
        seconds.push(phases);
    }
    seconds
}

fn norm(model: &AnyModel, gradients: &GradientsParams) -> f64 {
    use dress_core::burn::module::{ModuleVisitor, Param};
    struct Squares<'a>(&'a GradientsParams, f64);
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(parameter.id);
            self.1 += gradient.and_then(|gradient| sum_of_squares(&gradient)).unwrap_or(0.0);
        }
    }
    let mut squares = Squares(gradients, 0.0);
    model.visit(&mut squares);
    squares.1.sqrt()
}

fn prefill(model: &AnyModel, ids: &[Vec<u32>]) -> Vec<f64> {
    let began = Instant::now();
    let tokens = Calibration::tensor(ids, &model.device());
    let logits = model.forward(tokens, &mut Forward::new(&mut NoTap));
    assert_eq!(logits.dims()[0], 1);
    vec![began.elapsed().as_secs_f64()]
}
