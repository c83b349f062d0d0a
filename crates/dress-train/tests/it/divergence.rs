//! A run that has diverged is no result, and one that was rough for a while is.

use crate::small::{config, data, model};
use dress_core::NoProgress;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_models::AnyModel;
use dress_train::{
    CheckpointEvery, Error, LearningRate, LoraConfig, NoRegularization, Regularization, StepInfo,
    TrainConfig, Trainable, train,
};

fn at(peak: f64, epochs: usize) -> TrainConfig {
    let learning_rate = LearningRate { peak, warmup_steps: 0, ..LearningRate::default() };
    TrainConfig { learning_rate, epochs, clip_norm: Some(1.0), ..config() }
}

#[test]
fn a_rate_far_too_high_ends_in_an_error_that_leaves_nothing_to_go_on_from() {
    let place = tempfile::tempdir().unwrap();
    let settings = TrainConfig {
        run_dir: Some(place.path().into()),
        checkpoint_every: Some(CheckpointEvery::Steps(1)),
        ..at(1e3, 4)
    };
    let lost = train(model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err();
    let says = lost.to_string();
    assert!(matches!(lost, Error::Lost { .. }), "{says}");
    assert!(says.contains("lower `learning_rate`") && says.contains("1000"), "{says}");
    let left = std::fs::read_dir(place.path()).unwrap().flatten();
    assert!(left.into_iter().all(|entry| entry.file_name() == "curve.jsonl"), "the next run begins anew");
    train(
        model(),
        &data(),
        &TrainConfig { learning_rate: at(1e-3, 1).learning_rate, ..settings },
        &NoRegularization,
        &NoProgress,
    )
    .unwrap();
}

#[test]
fn a_lost_run_that_kept_nothing_leaves_what_another_left() {
    let place = tempfile::tempdir().unwrap();
    let of_another = place.path().join("checkpoint-7");
    std::fs::create_dir(&of_another).unwrap();
    let settings = TrainConfig {
        run_dir: Some(place.path().into()),
        checkpoint_every: Some(CheckpointEvery::Steps(1000)),
        replace_other_run: true,
        ..at(1e3, 4)
    };
    let lost = train(model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err();
    assert!(matches!(lost, Error::Lost { .. }) && of_another.exists(), "{lost}");
}

#[test]
fn a_long_run_is_stopped_long_before_its_end() {
    let Err(Error::Lost { steps, .. }) =
        train(model(), &data(), &at(1e3, 500), &NoRegularization, &NoProgress)
    else {
        panic!("it went on to the end");
    };
    assert!(steps < at(1e3, 500).steps(data().blocks.len()) / 2, "{steps}");
}

/// Multiplies every weight by a number after the first step.
struct Shaken(f64);

impl Regularization<AnyModel> for Shaken {
    fn after_step(&self, model: AnyModel, step: &StepInfo) -> Result<AnyModel, dress_core::Error> {
        struct Times(f64);
        impl ParameterMapper for Times {
            fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
                value * self.0
            }
        }
        Ok(if step.share == 0.0 { parameters::map(model, &mut Times(self.0)) } else { model })
    }
}

#[test]
fn a_run_that_is_rough_at_its_start_goes_on() {
    let trained = train(model(), &data(), &at(1e-2, 60), &Shaken(3.0), &NoProgress).unwrap();
    let losses: Vec<f64> = trained.curve.iter().map(|point| point.loss).collect();
    assert!(losses[1] > losses[0] + 1.0, "it was rough: {:?}", &losses[..3]);
    assert!(losses.len() == 240 && losses[239] < 1.0, "{:?}", losses.last());
}

#[test]
fn factors_of_more_rank_than_the_matrices_have_are_refused() {
    let lora = Trainable::Lora(LoraConfig::of_rank(1_000_000));
    let settings = TrainConfig { trainable: lora, ..at(1e-3, 1) };
    let says = train(model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err().to_string();
    assert!(says.contains("`lora_rank` is 1000000") && says.contains("at most"), "{says}");
}
