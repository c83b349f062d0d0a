//! The training loop on small models.

mod by_layers;
mod distillation;
mod divergence;
mod optimizers;
mod recover;
mod resume;
mod small;

use dress_core::burn::module::Module;
use dress_core::burn::tensor::{GradientCheckpointingStrategy, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Calibration, CausalLm, NoProgress, Tap};
use dress_models::AnyModel;
use dress_train::{
    AdamW, Batch, CheckpointEvery, CurvePoint, EarlyStopping, Error, GradientCheckpointing,
    LanguageModelling, NoRegularization, Objective, ObjectiveLoss, OptimizerConfig, Regularization, Saved,
    StepInfo, TrainConfig, Training, train,
};
use small::{config, data, model, weights, worst};
use std::sync::Mutex;

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
    fn after_step(&self, model: AnyModel, step: &StepInfo) -> Result<AnyModel, dress_core::Error> {
        struct Nan;
        impl ParameterMapper for Nan {
            fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
                value * f64::NAN
            }
        }
        Ok(if step.share >= self.share { parameters::map(model, &mut Nan) } else { model })
    }
}

#[test]
fn nan_stops_with_the_step() {
    let place = tempfile::tempdir().unwrap();
    let run = |name: Option<&str>, checkpoint_every| {
        let run_dir = name.map(|name| place.path().join(name));
        let config = TrainConfig { run_dir, checkpoint_every, ..config() };
        let error = train(model(), &data(), &config, &Poison { share: 0.5 }, &NoProgress).unwrap_err();
        assert!(error.to_string().contains("`learning_rate`"), "{error}");
        let Error::Diverged { step: 13, what: "loss", saved, .. } = error else { panic!("{error}") };
        saved
    };
    // The weights are not numbers themselves by then: those after ten steps are the last that were.
    let path = place.path().join("every five").join("checkpoint-10");
    assert_eq!(
        run(Some("every five"), Some(CheckpointEvery::Steps(5))),
        Saved::Checkpoint { path: path.clone(), steps: 10 }
    );
    assert!(path.join("model.bpk").exists());
    // A checkpoint right after the step that broke them does not take that one's place.
    let path = place.path().join("every thirteen");
    assert_eq!(run(Some("every thirteen"), Some(CheckpointEvery::Steps(13))), Saved::NoCheckpoint);
    assert!(!path.join("last-good.bpk").exists() && !path.join("checkpoint-13").exists());
    assert_eq!(run(Some("none"), None), Saved::NoCheckpoint);
    assert_eq!(run(None, None), Saved::NoDirectory);
}

/// A penalty that is no number from the given step on.
struct NoNumber {
    share: f64,
}

impl Regularization<AnyModel> for NoNumber {
    fn penalty(&self, model: &AnyModel, step: &StepInfo) -> Result<Option<Tensor<1>>, dress_core::Error> {
        Ok((step.share >= self.share).then(|| Tensor::full([1], f64::NAN, &model.device())))
    }
}

#[test]
fn weights_from_before_a_nan_are_left_as_they_were() {
    let (place, start) = (tempfile::tempdir().unwrap(), model());
    let config = TrainConfig { run_dir: Some(place.path().into()), ..config() };
    let error = train(start.clone(), &data(), &config, &NoNumber { share: 0.0 }, &NoProgress).unwrap_err();
    let Error::Diverged { step: 0, what: "penalty", saved: Saved::Weights(path), .. } = error else {
        panic!("{error}")
    };
    let kept = model().try_load_file(&path).unwrap();
    assert_eq!(weights(&kept), weights(&start));
}

#[test]
fn nothing_to_train_on_is_an_error() {
    let error =
        train(model(), &Calibration::default(), &config(), &NoRegularization, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("no block to train on"), "{error}");
}

#[test]
fn blocks_that_predict_nothing_or_differ_in_length_are_errors() {
    let with = |block: Vec<u32>| {
        let mut data = data();
        data.blocks.push(block);
        train(model(), &data, &config(), &NoRegularization, &NoProgress).unwrap_err().to_string()
    };
    let short = with(vec![1]);
    assert!(short.contains("`training` got a block of 1 tokens") && short.contains("at least 2"), "{short}");
    let unequal = with(vec![1, 2, 3]);
    assert!(unequal.contains("has 3 tokens and the first 12") && unequal.contains("one length"), "{unequal}");
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

/// The next-token loss, and what Burn was told of the activations behind each.
#[derive(Default)]
struct Watched(Mutex<Vec<Option<GradientCheckpointingStrategy>>>);

impl Objective<AnyModel> for Watched {
    fn loss(&self, model: &AnyModel, batch: &Batch<'_>, tap: &mut dyn Tap) -> Result<ObjectiveLoss, Error> {
        let found = LanguageModelling.loss(model, batch, tap)?;
        self.0.lock().unwrap().push(found.total.device().gradient_checkpointing_strategy());
        Ok(found)
    }
}

#[test]
fn recomputed_activations_give_the_same_weights() {
    let (start, data) = (model(), data());
    let run = |gradient_checkpointing| {
        // Adam's first steps turn rounding into whole steps, and threads round as they come.
        let optimizer = OptimizerConfig::Sgd { momentum: 0.9, weight_decay: 0.0 };
        let mut config = TrainConfig { gradient_checkpointing, epochs: 2, optimizer, ..config() };
        config.learning_rate.peak = 0.1;
        let config = &config;
        let (objective, regularization) = (&Watched::default(), &NoRegularization);
        let training =
            Training { data: &data, config, objective, regularization, settings: &serde_json::Value::Null };
        let end = weights(&training.run(start.clone(), &NoProgress).unwrap().model);
        (end, objective.0.lock().unwrap().clone())
    };
    let (kept, plain) = run(GradientCheckpointing::None);
    let (recomputed, balanced) = run(GradientCheckpointing::Operations);
    assert!(worst(&kept, &recomputed) < 1e-5 && worst(&kept, &weights(&start)) > 1e-2);
    // Behind the steps the result is judged by its loss on the first step's blocks, off the graph.
    assert_eq!(balanced[..8], [Some(GradientCheckpointingStrategy::Balanced); 8]);
    assert!(balanced[8..].iter().all(Option::is_none) && plain.len() == balanced.len());
    assert!(!plain.contains(&Some(GradientCheckpointingStrategy::Balanced)), "{plain:?}");
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
