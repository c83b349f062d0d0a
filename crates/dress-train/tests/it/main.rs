//! The training loop on small models.

use dress_core::burn::tensor::{Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Calibration, CausalLm, NoProgress};
use dress_models::AnyModel;
use dress_train::{
    CurvePoint, Error, LearningRate, NoRegularization, Regularization, StepInfo, TrainConfig, train,
};
use std::path::Path;

const CONFIG: &str = r#"{"model_type":"llama","vocab_size":19,"hidden_size":16,"intermediate_size":32,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,
    "tie_word_embeddings":true,"initializer_range":0.2}"#;

fn model() -> AnyModel {
    AnyModel::from_config(CONFIG, Path::new("config.json"), &Device::flex()).unwrap()
}

/// Texts that count upward by one, two or three: easy to learn.
fn data() -> Calibration {
    let block = |n: u32| (0..12).map(|i| (i * (n % 3 + 1) + n) % 19).collect();
    Calibration::from_blocks((0..16).map(block).collect())
}

fn config() -> TrainConfig {
    let learning_rate = LearningRate { peak: 1e-2, warmup_steps: 2, end: 0.1 };
    TrainConfig { epochs: 6, batch_size: 4, learning_rate, ..TrainConfig::default() }
}

fn weights<M: CausalLm>(model: &M) -> Vec<f32> {
    struct All(Vec<f32>);
    impl parameters::ParameterVisitor for All {
        fn visit<const D: usize>(
            &mut self,
            _name: &str,
            _layout: Layout,
            parameter: &dress_core::burn::module::Param<Tensor<D>>,
        ) {
            self.0.extend(parameter.val().into_data().iter::<f32>());
        }
    }
    let mut all = All(Vec::new());
    parameters::visit(model, &mut all);
    all.0
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

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
        let config = TrainConfig { clip_norm, epsilon: 1.0, ..config() };
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
    fn penalty(&self, _model: &AnyModel, _step: &StepInfo) -> Option<Tensor<1>> {
        None
    }

    fn after_step(&self, model: AnyModel, step: &StepInfo) -> AnyModel {
        struct Nan;
        impl ParameterMapper for Nan {
            fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
                value * f64::NAN
            }
        }
        if step.share >= self.share { parameters::map(model, &mut Nan) } else { model }
    }

    fn selected_norm(&self, _model: &AnyModel) -> f64 {
        0.0
    }
}

#[test]
fn nan_stops_with_the_step_and_saves_the_last_weights_with_a_finite_loss() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainConfig { run_dir: Some(directory.path().into()), ..config() };
    let error = train(model(), &data(), &config, &Poison { share: 0.5 }, &NoProgress).unwrap_err();
    let Error::Diverged { step: 13, what: "loss", saved: Some(path), .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("last-good.bpk") && error.to_string().contains("learning rate"));
    let saved = dress_core::burn::module::Module::try_load_file(model(), path).unwrap();
    assert!(weights(&saved).iter().all(|w| w.is_finite()));
    assert!(worst(&weights(&saved), &weights(&model())) > 1e-2);
}

#[test]
fn nothing_to_train_on_is_an_error() {
    let error =
        train(model(), &Calibration::default(), &config(), &NoRegularization, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("no block to train on"), "{error}");
}
