//! Recovery by low-rank factors.

use crate::small::{config, data, model, weights, worst};
use dress_core::NoProgress;
use dress_core::parameters;
use dress_train::{DistillationConfig, LoraConfig, RecoverConfig, TrainConfig, Trainable, recover};

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
fn a_dense_model_teaches_and_an_unknown_target_is_an_error() {
    let distill = DistillationConfig { alpha: 1.0, ..DistillationConfig::default() };
    let config = RecoverConfig { distill, ..lora(&[], 0.0) };
    let curve = recover(model(), Some(model()), &data(), &config, &NoProgress).unwrap().curve;
    assert!(curve.last().unwrap().distillation < curve[0].distillation);
    let error = recover(model(), None, &data(), &lora(&["query"], 0.0), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("`query`") && error.contains("q_proj"), "{error}");
}
