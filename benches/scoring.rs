//! What each criterion costs.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Shape, forward_macs, tokens};
use dress_core::burn::tensor::Device;
use dress_core::{Axis, CausalLm, NoProgress};
use dress_importance::{Criterion as Score, score_all};

const SEQ: usize = 512;
const BLOCKS: usize = 4;

/// Scores at SmolLM2's shape: a forward pass over the calibration blocks, and for first-order criteria one
/// backward, however many they are.
pub fn criteria(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let mut ceiling = Shape::SmolLm2.product(&device, SEQ);
    let ids = tokens(BLOCKS, SEQ, model.vocab_size());
    let forward = forward_macs(&model, BLOCKS, SEQ);
    let mut group = Beside::new(criterion, "score");
    let neurons: Vec<Axis> = (0..model.num_layers()).map(|layer| Axis::Ffn { layer }).collect();
    let first_order = |criterion: &Score| matches!(criterion, Score::Taylor(_) | Score::Fisher);
    let of_gradients: Vec<Score> = Score::all().filter(first_order).collect();
    let one = |name: &str| vec![name.parse::<Score>().expect("the criterion exists")];
    // Backward costs twice forward.
    let passes = [
        ("activation-norm", one("activation-norm"), 1, &neurons[..]),
        ("wanda", one("wanda"), 1, &neurons[..]),
        ("flap", one("flap"), 1, &neurons[..]),
        ("block-influence", one("block-influence"), 1, &[Axis::Depth]),
        ("taylor", one("taylor"), 3, &neurons[..]),
        ("fisher", one("fisher"), 3, &neurons[..]),
        ("first-order", of_gradients, 3, &neurons[..]),
    ];
    for (name, criteria, passes, axes) in passes {
        let amount = (Throughput::Elements((BLOCKS * SEQ) as u64), (passes * forward) as f64);
        let scored =
            |()| score_all(&criteria, &model, &ids, axes, 0, &NoProgress).expect("they score these axes");
        group.measure(name, amount, &mut ceiling, || (), scored);
    }
}
