//! A step of training, and what regularizing adds to it.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Shape, forward_macs, narrower, tokens};
use dress_core::burn::module::Module;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::Device;
use dress_core::{Calibration, CausalLm, Forward, NoTap};
use dress_kernels::FusedAdamW;
use dress_models::AnyModel;
use dress_regularize::{ComponentWeights, PenaltyKind, Regularizer, SlotChoice, Thresholds};
use std::cell::LazyCell;

const SEQ: usize = 512;

/// What is done about the structures that will go.
#[derive(Clone, Copy, PartialEq)]
enum Regularized {
    Not,
    ByLoss,
    ByProximalStep,
}

/// Forward, backward and AdamW, with the penalty in the loss or as a proximal step, or without.
pub fn step(criterion: &mut Criterion) {
    // Gradients of the fused operations are of the CPU's.
    let device = Device::flex();
    let mut group = Beside::new(criterion, "step");
    for shape in [Shape::SmolLm2, Shape::Llama3Layer] {
        let mut ceiling = shape.product(&device, SEQ);
        let dense = shape.model(&device);
        let ids = tokens(1, SEQ, dense.vocab_size());
        // Backward costs twice forward.
        let work = 3 * forward_macs(&dense, 1, SEQ);
        let amount = (Throughput::Elements(SEQ as u64), work as f64);
        let selection = narrower(&dense, 25);
        let regularizer = LazyCell::new(|| {
            let (weights, slots) = (ComponentWeights::default(), SlotChoice::default());
            let regularizer = Regularizer::new(&dense, &selection, PenaltyKind::Group, weights, slots);
            regularizer.expect("the last channels go")
        });
        let kinds = [
            ("plain", Regularized::Not),
            ("penalty", Regularized::ByLoss),
            ("proximal", Regularized::ByProximalStep),
        ];
        for (name, how) in kinds {
            let mut optimizer = FusedAdamW::new([0.9, 0.95], 1e-8, 0.0).init();
            let mut trained = None;
            group.measure(
                &format!("{}/{name}", shape.name()),
                amount.clone(),
                &mut ceiling,
                || (),
                |()| {
                    let model = trained.take().unwrap_or_else(|| dense.clone().train());
                    let gradients = gradients(&model, &ids, &regularizer, how);
                    let model = optimizer.step(1e-6, model, gradients);
                    trained = Some(if how == Regularized::ByProximalStep {
                        let shrunk =
                            regularizer.shrink(model, Thresholds::OfInitial { share: 1e-3, least: 0.0 });
                        shrunk.expect("the group penalty does not fail")
                    } else {
                        model
                    });
                },
            );
        }
    }
}

fn gradients(
    model: &AnyModel,
    ids: &Calibration,
    regularizer: &Regularizer,
    how: Regularized,
) -> GradientsParams {
    let tokens = Calibration::tensor(&ids.blocks, &model.device());
    let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap));
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    match how {
        Regularized::ByLoss => {
            regularizer.penalize(model, gradients, 1e-3).expect("the group penalty does not fail").0
        }
        Regularized::Not | Regularized::ByProximalStep => gradients,
    }
}
