//! A run that has diverged is no result, and one that was rough for a while is.

use crate::small::{config, data, model};
use dress_core::NoProgress;
use dress_train::{
    CheckpointEvery, Error, LearningRate, LoraConfig, NoRegularization, TrainConfig, Trainable, train,
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
    assert!(says.contains("lower the learning rate") && says.contains("1000"), "{says}");
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
fn a_long_run_is_stopped_long_before_its_end() {
    let Err(Error::Lost { steps, .. }) =
        train(model(), &data(), &at(1e3, 500), &NoRegularization, &NoProgress)
    else {
        panic!("it went on to the end");
    };
    assert!(steps < at(1e3, 500).steps(data().blocks.len()) / 2, "{steps}");
}

#[test]
fn a_run_that_is_rough_at_its_start_goes_on() {
    let smooth = train(model(), &data(), &at(3e-3, 60), &NoRegularization, &NoProgress).unwrap();
    let rough = train(model(), &data(), &at(0.5, 60), &NoRegularization, &NoProgress);
    let curve = rough.map(|trained| trained.curve).unwrap_or_default();
    let worst = curve.iter().map(|point| point.loss).fold(0.0, f64::max);
    assert!(
        !curve.is_empty() && worst > curve[0].loss + 1.0,
        "it was rough: {worst} after {}",
        curve[0].loss
    );
    assert_eq!(curve.len(), smooth.curve.len());
}

#[test]
fn factors_of_more_rank_than_the_matrices_have_are_refused() {
    let lora = Trainable::Lora(LoraConfig::of_rank(1_000_000));
    let settings = TrainConfig { trainable: lora, ..at(1e-3, 1) };
    let says = train(model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err().to_string();
    assert!(says.contains("LoRA rank is 1000000") && says.contains("at most"), "{says}");
}
