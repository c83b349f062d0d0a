//! Layers computed again in the backward pass: the same gradients.

use crate::small::{alone, config, data, model, weights, worst};
use dress_core::{Axis, AxisSelection, CausalLm, Forward, NoProgress, NoTap, Selection};
use dress_models::AnyModel;
use dress_prune::{PenaltyForm, SelectedPenalty, WeightedActivations};
use dress_regularize::{
    ActivationPenalty, ComponentWeights, Gate, GateNorms, PenaltyKind, Regularizer, Schedule, SlotChoice,
};
use dress_train::{
    GradientCheckpointing, LoraConfig, NoRegularization, OptimizerConfig, Regularization, TrainConfig,
    Trainable, train,
};

fn selection() -> Selection {
    let last = |len: usize| AxisSelection::new(len, (3 * len / 4..len).collect()).unwrap();
    Selection::new().with(Axis::Residual, last(16)).with(Axis::Ffn { layer: 0 }, last(32))
}

/// Plain gradients, as Adam's first steps turn rounding into whole steps.
fn plain(gradient_checkpointing: GradientCheckpointing) -> TrainConfig {
    let optimizer = OptimizerConfig::Sgd { momentum: 0.9, weight_decay: 0.0 };
    let mut config = TrainConfig { gradient_checkpointing, epochs: 2, optimizer, ..config() };
    config.learning_rate.peak = 0.1;
    config
}

#[test]
fn weights_losses_and_penalties_are_those_of_whole_passes() {
    let (start, data, selection) = (model(), data(), selection());
    let gate = Gate::new(&start, &selection, Schedule::Linear { ramp: 0.5 }, GateNorms::Fixed).unwrap();
    let (kind, slots) = (PenaltyKind::Group, SlotChoice::All);
    let regularizer = Regularizer::new(&start, &selection, kind, ComponentWeights::default(), slots).unwrap();
    let gated = SelectedPenalty {
        regularizer: &regularizer,
        form: PenaltyForm::Loss,
        lambda: 1e-2,
        schedule: Schedule::Constant,
        gate: Some(&gate),
        refit: None,
        activations: None,
        kept_only: false,
        slicer: None,
    };
    for (name, regularization) in
        [("plain", &NoRegularization as &dyn Regularization<AnyModel>), ("gated and penalised", &gated)]
    {
        let run = |checkpointing| {
            let trained = train(start.clone(), &data, &plain(checkpointing), regularization, &NoProgress);
            let trained = trained.unwrap();
            let losses: Vec<(f64, f64)> = trained.curve.iter().map(|at| (at.loss, at.penalty)).collect();
            (weights(&trained.model), losses)
        };
        let (kept, losses) = run(GradientCheckpointing::None);
        let (again, same) = run(GradientCheckpointing::Layers);
        assert!(worst(&kept, &again) < 1e-5, "{name}: {}", worst(&kept, &again));
        assert!(worst(&kept, &weights(&start)) > 1e-2, "{name}");
        for (whole, by_layers) in losses.iter().zip(&same) {
            let apart = (whole.0 - by_layers.0).abs().max((whole.1 - by_layers.1).abs());
            assert!(apart < 1e-5, "{name}: {whole:?} and {by_layers:?}");
        }
        assert_eq!(losses.iter().any(|(_, penalty)| *penalty > 0.0), name != "plain");
    }
}

/// Whether this process runs the test of that name and no other. If not, one that does has run it: all that a
/// process draws comes from one generator, which other tests would move on.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "DRESS_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = alone(test).env(ALONE, "1").output().unwrap();
    let says = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && says.contains("1 passed"), "{says}");
    false
}

#[test]
fn what_a_layer_draws_is_drawn_alike_on_the_way_back() {
    if !is_alone("by_layers::what_a_layer_draws_is_drawn_alike_on_the_way_back") {
        return;
    }
    let (start, data) = (model(), data());
    let lora = LoraConfig { rank: 4, dropout: 0.5, ..LoraConfig::default() };
    let config = TrainConfig { trainable: Trainable::Lora(lora), ..plain(GradientCheckpointing::Layers) };
    let run = || train(start.clone(), &data, &config, &NoRegularization, &NoProgress).unwrap();
    let (first, second) = (run(), run());
    assert!(weights(&first.model) == weights(&second.model), "the weights differ");
    let loss = |at: usize| first.curve[at].loss;
    assert!(loss(7) < loss(0), "{} {}", loss(0), loss(7));
    let logits = |model: &AnyModel| {
        let tokens = dress_core::Calibration::tensor(&data.blocks[..1], &model.device());
        model.forward(tokens, &mut Forward::new(&mut NoTap)).into_data()
    };
    assert_ne!(logits(&first.model), logits(&start));
}

#[test]
fn a_penalty_on_activations_is_refused() {
    let (start, selection) = (model(), selection());
    let (kind, slots) = (PenaltyKind::Group, SlotChoice::All);
    let regularizer = Regularizer::new(&start, &selection, kind, ComponentWeights::default(), slots).unwrap();
    let penalty = ActivationPenalty::new(&start, &selection, kind, true).unwrap();
    let watching = SelectedPenalty {
        regularizer: &regularizer,
        form: PenaltyForm::Proximal,
        lambda: 1.0,
        schedule: Schedule::Constant,
        gate: None,
        refit: None,
        activations: Some(WeightedActivations { penalty: &penalty, weight: 1.0 }),
        kept_only: false,
        slicer: None,
    };
    let config = plain(GradientCheckpointing::Layers);
    let error = train(start, &data(), &config, &watching, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("a penalty on activations") && error.contains("`operations`"), "{error}");
}
