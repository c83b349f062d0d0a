//! Recovery by low-rank factors.

use crate::small::{CONFIG, config, data, model, weights, worst};
use dress_core::burn::tensor::Device;
use dress_core::{NoProgress, parameters};
use dress_models::AnyModel;
use dress_train::{
    DistillationConfig, EarlyStopping, Error, LoraConfig, RecoverConfig, TrainConfig, Trainable, recover,
};
use std::path::Path;

fn lora(targets: &[&str], dropout: f64) -> RecoverConfig {
    let targets = targets.iter().map(|target| (*target).into()).collect();
    let lora = LoraConfig { rank: 4, alpha: 8.0, dropout, targets };
    let train = TrainConfig { trainable: Trainable::Lora(lora), ..config() };
    RecoverConfig { train, ..RecoverConfig::default() }
}

#[test]
fn merged_factors_leave_an_ordinary_model_in_which_only_the_targets_moved() {
    let start = model();
    for dropout in [0.0, 0.25] {
        let config = lora(&["q_proj", "v_proj"], dropout);
        let end = recover(start.clone(), None, &data(), &config, &NoProgress).unwrap();
        assert!(end.curve.last().unwrap().loss < end.curve[0].loss);
        let (before, after) = (parameters::list(&start), parameters::list(&end.model));
        assert_eq!(before, after);
        let (old, new) = (weights(&start), weights(&end.model));
        let mut at = 0;
        for parameter in before {
            let len: usize = parameter.shape.iter().product();
            let moved = worst(&old[at..at + len], &new[at..at + len]);
            let target = parameter.name.contains("q_proj") || parameter.name.contains("v_proj");
            assert_eq!(moved > 1e-4, target, "{}: {moved}", parameter.name);
            at += len;
        }
    }
}

#[test]
fn a_merged_model_can_be_trained_again_in_full() {
    let first = recover(model(), None, &data(), &lora(&[], 0.0), &NoProgress).unwrap().model;
    let full = RecoverConfig { train: config(), ..RecoverConfig::default() };
    let again = recover(first.clone(), None, &data(), &full, &NoProgress).unwrap().model;
    assert!(worst(&weights(&first), &weights(&again)) > 1e-3);
}

#[test]
fn a_teacher_says_the_same_from_memory_and_from_a_file_with_blocks_held_out() {
    let (student, dense, place) = (model(), model(), tempfile::tempdir().unwrap());
    let curve = |cache| {
        let distill = DistillationConfig { alpha: 1.0, ..DistillationConfig::default() };
        // All weights: factors are drawn, by a generator that other tests draw from meanwhile.
        let mut config = RecoverConfig { distill, cache, train: config() };
        config.train.early_stopping = Some(EarlyStopping { holdout: 0.4, every: 4, patience: 100 });
        config.train.run_dir = Some(place.path().join(cache.to_string()));
        let trained = recover(student.clone(), Some(dense.clone()), &data(), &config, &NoProgress).unwrap();
        trained.curve.iter().map(|point| (point.distillation, point.held_out)).collect::<Vec<_>>()
    };
    assert_eq!(curve(false), curve(true));
}

#[test]
fn a_teacher_that_cannot_read_the_text_or_has_other_tokens_is_an_error() {
    let other = |from: &str, to: &str| {
        let config = CONFIG.replace(from, to);
        AnyModel::from_config(&config, Path::new("config.json"), &Device::flex()).unwrap()
    };
    let refused = |teacher| {
        let recovered = recover(model(), Some(teacher), &data(), &lora(&[], 0.0), &NoProgress);
        let error = recovered.unwrap_err().to_string();
        assert!(error.contains("sliced out of"), "{error}");
        error
    };
    assert!(refused(other("\"vocab_size\":19", "\"vocab_size\":23")).contains("23 tokens and this one 19"));
    assert!(refused(other("\"vocab_size\":19", "\"vocab_size\":7")).contains("cannot see this text"));
    let short = other("\"head_dim\"", "\"max_position_embeddings\":8,\"head_dim\"");
    assert!(refused(short).contains("8 positions"));
}

#[test]
fn a_run_does_not_go_on_under_another_teacher() {
    let (student, place) = (model(), tempfile::tempdir().unwrap());
    let run = |teacher| {
        let mut config = lora(&[], 0.0);
        config.train.run_dir = Some(place.path().into());
        config.train.checkpoint_every = Some(dress_train::CheckpointEvery::Steps(5));
        recover(student.clone(), Some(teacher), &data(), &config, &NoProgress)
    };
    let teacher = model();
    run(teacher.clone()).unwrap();
    let other = run(teacher).unwrap().model;
    let error = run(other).unwrap_err();
    assert!(matches!(&error, Error::AnotherRun { what, .. } if what.contains("taught_by")), "{error}");
}

#[test]
fn a_dense_model_teaches_and_an_unknown_target_is_an_error() {
    let distill = DistillationConfig { alpha: 1.0, ..DistillationConfig::default() };
    let config = RecoverConfig { distill, ..lora(&[], 0.0) };
    let curve = recover(model(), Some(model()), &data(), &config, &NoProgress).unwrap().curve;
    assert!(curve.last().unwrap().distillation < curve[0].distillation);
    let error = recover(model(), None, &data(), &lora(&["query"], 0.0), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("`query`") && error.contains("q_proj"), "{error}");
}
