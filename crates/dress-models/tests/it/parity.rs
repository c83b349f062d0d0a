//! Logits and greedy text equal those of stock `transformers`.

use crate::reference::{FIXTURES, Reference, fixture, load, skipped};
use dress_core::burn::tensor::Device;
use dress_core::{Calibration, CausalLm, Forward, NoTap};
use dress_models::generation::{GenerationConfig, Sampling, generate};
use dress_models::{AnyModel, FloatType, LoadConfig};
use std::path::{Path, PathBuf};

const TOLERANCE: f32 = 1e-3;

pub fn logits(model: &AnyModel, ids: &[Vec<u32>]) -> Vec<f32> {
    let tokens = Calibration::tensor(ids, &model.device());
    model.forward(tokens, &mut Forward::new(&mut NoTap)).into_data().iter().collect()
}

pub fn assert_parity(directory: &Path, reference: &Reference) {
    let model = load(directory);
    let found = logits(&model, &reference.input_ids);
    assert_eq!(found.len(), reference.logits.len());
    let differences = found.iter().zip(&reference.logits).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{}: logits differ by {worst}", directory.display());
    let new = reference.greedy.len() - reference.prompt.len();
    let config = GenerationConfig { max_new_tokens: new, sampling: Sampling::Greedy, stop: Vec::new() };
    let continued = generate(&model, &reference.prompt, &config, |_| ()).unwrap();
    assert_eq!(continued, reference.greedy[reference.prompt.len()..], "{}", directory.display());
}

#[test]
fn small_models_of_every_family_equal_transformers() {
    for name in FIXTURES {
        let directory = fixture(name);
        assert_parity(&directory, &Reference::read(&directory.join("reference.safetensors")));
    }
}

#[test]
fn half_precision_stays_close_and_finite() {
    for name in FIXTURES {
        let reference = Reference::read(&fixture(name).join("reference.safetensors"));
        for (dtype, share) in [(FloatType::Bf16, 0.1), (FloatType::F16, 0.02)] {
            let model = AnyModel::load(&fixture(name), &LoadConfig { dtype }, &Device::flex()).unwrap();
            let found = logits(&model, &reference.input_ids);
            let norm = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>().sqrt();
            let moved = norm(&mut found.iter().zip(&reference.logits).map(|(a, b)| a - b));
            let whole = norm(&mut reference.logits.iter().copied());
            assert!(moved < share * whole, "{name} {dtype}: {}", moved / whole);
        }
    }
}

#[test]
fn a_config_as_transformers_5_writes_it_means_the_same() {
    for name in FIXTURES {
        let copy = crate::reference::copy_of(name);
        std::fs::rename(copy.path().join("config.v5.json"), copy.path().join("config.json")).unwrap();
        assert_parity(copy.path(), &Reference::read(&copy.path().join("reference.safetensors")));
    }
}

/// `DRESS_REFERENCE` is what `parity/make_reference.py` wrote of the checkpoint in `DRESS_MODEL`.
#[test]
fn a_real_checkpoint_equals_transformers() {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    match (variable("DRESS_MODEL"), variable("DRESS_REFERENCE")) {
        (Some(model), Some(reference)) => assert_parity(&model, &Reference::read(&reference)),
        _ => skipped("DRESS_REFERENCE", "set DRESS_MODEL and DRESS_REFERENCE to compare a real checkpoint"),
    }
}
