//! What each criterion costs.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Shape, forward_macs, tokens};
use dress_core::burn::tensor::Device;
use dress_core::{Axis, CausalLm, NoProgress};
use dress_importance::Criterion as Score;

const SEQ: usize = 512;
const BLOCKS: usize = 2;

/// Scores at SmolLM2's shape: a forward pass over the calibration blocks, and for first-order criteria one backward.
pub fn criteria(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let mut ceiling = Shape::SmolLm2.product(&device, SEQ);
    let ids = tokens(BLOCKS, SEQ, model.vocab_size());
    let forward = forward_macs(&model, BLOCKS, SEQ);
    let mut group = Beside::new(criterion, "score");
    let neurons: Vec<Axis> = (0..model.num_blocks()).map(|layer| Axis::Ffn { layer }).collect();
    // Backward costs twice forward.
    let passes = [
        ("activation-norm", 1, &neurons[..]),
        ("wanda", 1, &neurons[..]),
        ("flap", 1, &neurons[..]),
        ("block-influence", 1, &[Axis::Depth]),
        ("taylor", 3, &neurons[..]),
        ("fisher", 3, &neurons[..]),
    ];
    for (name, passes, axes) in passes {
        let score: Score = name.parse().expect("the criterion exists");
        let scorer = score.scorer(0);
        let amount = (Throughput::Elements((BLOCKS * SEQ) as u64), (passes * forward) as f64);
        let scored = |()| scorer.score(&model, &ids, axes, &NoProgress).expect("it scores these axes");
        group.measure(name, amount, &mut ceiling, || (), scored);
    }
}
