//! Prefill and decode, dense and sliced.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Ceiling, Shape, forward_macs, resized, tokens, without};
use dress_core::burn::tensor::Device;
use dress_core::{AxisKind, Calibration, CausalLm, Forward, KvCache, NoTap};
use dress_eval::Size;
use dress_kernels::on_a_worker;
use dress_models::AnyModel;
use std::cell::LazyCell;

const SEQ: usize = 512;

/// Tokens before the one that is decoded.
const PROMPT: usize = 64;

fn device() -> Device {
    dress_machine::device::parse("auto").expect("there is always a device")
}

/// A model as it is, narrower and, of the two that a table of ratios is for, with fewer neurons and heads. No
/// weights are made before they are used.
fn sizes(shape: Shape, device: &Device) -> Vec<(String, AnyModel)> {
    let dense = shape.model(device);
    let cut = |kind: AxisKind, percent: usize| {
        let model = resized(&dense, &without(&dense, kind, percent));
        (format!("{}/{kind}-{percent}%", shape.name()), model)
    };
    let mut sizes = vec![(format!("{}/dense", shape.name()), dense.clone())];
    sizes.extend([25, 50].map(|percent| cut(AxisKind::Residual, percent)));
    if matches!(shape, Shape::SmolLm2 | Shape::Llama3Layer) {
        // A third is what SmolLM2's three key/value heads allow.
        sizes.extend([25, 50].map(|percent| cut(AxisKind::Ffn, percent)));
        sizes.extend([33, 67].map(|percent| cut(AxisKind::Heads, percent)));
    }
    sizes
}

/// All logits of one text.
pub fn prefill(criterion: &mut Criterion) {
    let device = device();
    let mut group = Beside::new(criterion, "prefill");
    for shape in Shape::ALL {
        let mut ceiling = shape.product(&device, SEQ);
        for (name, model) in sizes(shape, &device) {
            let ids = tokens(1, SEQ, model.vocab_size());
            let work = forward_macs(&model, 1, SEQ);
            let amount = (Throughput::Elements(SEQ as u64), work as f64);
            let input = || Calibration::tensor(&ids.blocks, &device);
            group.measure(&name, amount, &mut ceiling, input, |input| {
                model.forward(input, &mut Forward::new(&mut NoTap)).into_data()
            });
        }
    }
}

/// One more token behind a prompt: every weight is read once.
pub fn decode(criterion: &mut Criterion) {
    let device = device();
    let mut ceiling = Ceiling::read(&device);
    let mut group = Beside::new(criterion, "decode");
    for shape in Shape::ALL {
        for (name, model) in sizes(shape, &device) {
            let step = |ids: &[Vec<u32>], cache: &mut KvCache| {
                let (input, mut tap) = (Calibration::tensor(ids, &device), NoTap);
                model.forward_last(input, &mut Forward::new(&mut tap).with_cache(cache)).into_data()
            };
            let prompt = LazyCell::new(|| {
                let mut prompt = KvCache::new(model.num_layers(), PROMPT);
                step(&tokens(1, PROMPT, model.vocab_size()).blocks, &mut prompt);
                prompt
            });
            let read = (size_of::<f32>() as u64 * Size::of(&model).macs_per_token) as f64;
            // Buffers of its own for every step, so that all of them come after the same prompt and none copies what it
            // shares with another.
            let cache = || prompt.select_rows(&[0], PROMPT + 1);
            group.measure(&name, (Throughput::Elements(1), read), &mut ceiling, cache, |mut cache| {
                on_a_worker(&device, || step(&[vec![11]], &mut cache))
            });
        }
    }
}
