//! The training loop on small models.

mod distillation;
mod optimizers;
mod recover;
mod resume;
mod small;

use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Calibration, NoProgress};
use dress_models::AnyModel;
use dress_train::{
    AdamW, CurvePoint, EarlyStopping, Error, NoRegularization, OptimizerConfig, Regularization, StepInfo,
    TrainConfig, train,
};
use small::{config, data, model, weights, worst};

#[test]
fn the_loss_falls_and_the_curve_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig { run_dir: Some(directory.path().into()), ..config() };
    let trained = train(model(), &data(), &config, &NoRegularization, &NoProgress).unwrap();
    assert_eq!(trained.curve.len(), 24);
    assert!(trained.curve[23].loss < 0.7 * trained.curve[0].loss, "{:?}", trained.curve);
    assert_eq!(trained.curve[23].tokens, 6 * 16 * 12);
    let text = std::fs::read_to_string(directory.path().join("curve.jsonl")).unwrap();
    let lines: Vec<CurvePoint> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, trained.curve);
}

#[test]
fn two_half_batches_accumulated_equal_one_whole_batch() {
    let start = model();
    let whole = train(start.clone(), &data(), &config(), &NoRegularization, &NoProgress).unwrap();
    let halves = TrainConfig { batch_size: 2, accumulation: 2, ..config() };
    let halves = train(start.clone(), &data(), &halves, &NoRegularization, &NoProgress).unwrap();
    assert!(worst(&weights(&whole.model), &weights(&halves.model)) < 1e-4);
    assert!(worst(&weights(&whole.model), &weights(&start)) > 1e-2);
}

#[test]
fn the_seed_decides_the_order_and_the_order_the_result() {
    let start = model();
    let run = |seed| {
        let config = TrainConfig { seed, ..config() };
        weights(&train(start.clone(), &data(), &config, &NoRegularization, &NoProgress).unwrap().model)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn gradients_are_clipped_to_the_limit_and_the_curve_has_them_before() {
    let start = model();
    let run = |clip_norm| {
        let optimizer = OptimizerConfig::AdamW(AdamW { epsilon: 1.0, ..AdamW::default() });
        let config = TrainConfig { clip_norm, optimizer, ..config() };
        let trained = train(start.clone(), &data(), &config, &NoRegularization, &NoProgress).unwrap();
        (worst(&weights(&trained.model), &weights(&start)), trained.curve[0].gradient_norm)
    };
    let ((free, norm), (clipped, same)) = (run(None), run(Some(1e-3)));
    assert!((norm - same).abs() < 1e-6 && norm > 1e-2);
    assert!(clipped < 0.1 * free, "{clipped} {free}");
}

/// Multiplies every weight by a NaN after the given step.
struct Poison {
    share: f64,
}

impl Regularization<AnyModel> for Poison {
    fn after_step(&self, model: AnyModel, step: &StepInfo) -> AnyModel {
        struct Nan;
        impl ParameterMapper for Nan {
            fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
                value * f64::NAN
            }
        }
        if step.share >= self.share { parameters::map(model, &mut Nan) } else { model }
    }
}

#[test]
fn nan_stops_with_the_step() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig { run_dir: Some(directory.path().into()), ..config() };
    let error = train(model(), &data(), &config, &Poison { share: 0.5 }, &NoProgress).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 13, what: "loss", .. }), "{error}");
    assert!(error.to_string().contains("learning rate"));
}

#[test]
fn nothing_to_train_on_is_an_error() {
    let error =
        train(model(), &Calibration::default(), &config(), &NoRegularization, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("no block to train on"), "{error}");
}

#[test]
fn training_stops_where_held_out_blocks_get_no_better_and_gives_back_the_best() {
    let stopping = EarlyStopping { holdout: 0.25, every: 2, patience: 2 };
    let mut config = TrainConfig { epochs: 200, early_stopping: Some(stopping), ..config() };
    config.learning_rate.peak = 5e-2;
    let trained = train(model(), &data(), &config, &NoRegularization, &NoProgress).unwrap();
    let looks: Vec<f64> = trained.curve.iter().filter_map(|point| point.held_out).collect();
    let steps = config.steps(12);
    assert!(trained.curve.len() < steps, "{} of {steps}", trained.curve.len());
    let best = looks.iter().copied().fold(f64::INFINITY, f64::min);
    let last_three = &looks[looks.len() - 3..];
    assert!(last_three[0] == best && last_three[1..].iter().all(|loss| *loss >= best), "{looks:?}");
    let one = Calibration::from_blocks(data().blocks[..1].to_vec());
    let error = train(model(), &one, &config, &NoRegularization, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("early stopping"), "{error}");
}

#[test]
fn recomputed_activations_give_the_same_weights() {
    let start = model();
    let run = |gradient_checkpointing| {
        let config = TrainConfig { gradient_checkpointing, epochs: 2, ..config() };
        weights(&train(start.clone(), &data(), &config, &NoRegularization, &NoProgress).unwrap().model)
    };
    assert!(worst(&run(false), &run(true)) < 1e-5);
}

#[test]
fn two_workers_on_half_batches_equal_one_on_the_whole() {
    let start = model();
    let run = |workers| {
        // Adam's first steps turn rounding into whole steps: plain gradients show what is averaged.
        let optimizer = OptimizerConfig::Sgd { momentum: 0.9, weight_decay: 0.0 };
        let mut config = TrainConfig { workers, optimizer, ..config() };
        config.learning_rate.peak = 0.1;
        let trained = train(start.clone(), &data(), &config, &NoRegularization, &NoProgress).unwrap();
        (trained.curve.last().unwrap().loss, weights(&trained.model))
    };
    let ((loss, whole), (halves_loss, halves)) = (run(1), run(2));
    assert!((loss - halves_loss).abs() < 1e-5 && worst(&whole, &halves) < 1e-5, "{}", worst(&whole, &halves));
    assert!(worst(&whole, &weights(&start)) > 1e-2);
    assert_eq!(run(2).1, halves);
}
