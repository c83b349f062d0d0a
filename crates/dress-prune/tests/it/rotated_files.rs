//! A checkpoint rotated from file to file is the model rotated in memory.

use crate::small_models::{FAMILIES, Family, Shape, distance, logits};
use crate::streaming::{declared, numbers, saved};
use dress_core::burn::tensor::{Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Basis, Calibration, NoProgress, StockTarget};
use dress_models::checkpoint::{RewriteConfig, SafetensorsDirectory, rewrite_rotated};
use dress_models::{AnyModel, CheckpointParts, FloatType, LoadConfig};
use dress_prune::{Rotated, rotate_by_parts, rotate_tied, rotate_to_principal_components};
use std::error::Error;
use std::path::Path;

/// More tokens than channels, so that no two components carry the same.
fn calibration() -> Calibration {
    let block = |n: usize| (0..24).map(|i| ((i * i * 3 + i * n + 11 * n) % 37) as u32).collect();
    Calibration::from_blocks((0..8).map(block).collect())
}

fn loaded(place: &Path) -> AnyModel {
    AnyModel::load(place, &LoadConfig::default(), &Device::flex()).unwrap()
}

/// Rotates the checkpoint at `source`; returns the energies.
fn rotated(source: &Path, place: &Path, basis: Basis) -> Result<Vec<f64>, Box<dyn Error>> {
    let parts = CheckpointParts::open(source, &LoadConfig::default(), &Device::flex())?;
    let turned = rotate_by_parts(&parts, basis, &calibration(), &NoProgress)?;
    let config = RewriteConfig { target: StockTarget::Dress, ..RewriteConfig::default() };
    let (dense, places) = (declared(source), [source, place]);
    rewrite_rotated(&dense, &turned.declared, &turned.rotation, places, &config, &NoProgress)?;
    Ok(turned.energy)
}

fn in_memory(source: &Path, basis: Basis) -> Rotated<AnyModel> {
    let rotate = if basis == Basis::PcaTied { rotate_tied } else { rotate_to_principal_components };
    rotate(loaded(source), &calibration(), &NoProgress).unwrap()
}

/// A family, whether its head is the embedding, and the basis.
type Case = (Family, bool, Basis);

/// Families that differ most, with heads that are the embedding and heads of their own.
const CASES: [Case; 7] = [
    (Family::Llama, true, Basis::PcaTied),
    (Family::Llama, true, Basis::Pca),
    (Family::Llama, false, Basis::Pca),
    (Family::Llama, false, Basis::PcaTied),
    (Family::Opt, true, Basis::Pca),
    (Family::Opt, false, Basis::Pca),
    (Family::Phi, false, Basis::Pca),
];

/// The other families that can be rotated. Of Phi-3 several parameters lie in one tensor; GPT-NeoX's head is
/// never its embedding, and its two layouts are tried instead.
const OTHERS: [Case; 9] = [
    (Family::Mistral, true, Basis::PcaTied),
    (Family::Qwen2, false, Basis::Pca),
    (Family::Qwen3, true, Basis::PcaTied),
    (Family::Phi3, false, Basis::Pca),
    (Family::Phi3, true, Basis::PcaTied),
    (Family::SmolLm3, true, Basis::Pca),
    (Family::Granite, true, Basis::PcaTied),
    (Family::GptNeox, false, Basis::Pca),
    (Family::GptNeox, true, Basis::Pca),
];

#[test]
fn every_family_that_can_be_rotated_is_one_of_them() {
    let tried: Vec<Family> = CASES.into_iter().chain(OTHERS).map(|(family, ..)| family).collect();
    for family in FAMILIES {
        assert_eq!(tried.contains(&family), family.can_be_turned(), "{family:?}");
    }
}

#[test]
fn files_rotated_are_the_model_rotated() {
    let types = [(FloatType::F32, None), (FloatType::Bf16, Some(4000)), (FloatType::F16, Some(4000))];
    let in_all_types = CASES.into_iter().flat_map(|case| types.map(|kind| (case, kind)));
    let others = OTHERS.map(|case| (case, (FloatType::F32, Some(4000))));
    for ((family, tied, basis), (dtype, shard)) in in_all_types.chain(others) {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let case = format!("{family:?} tied {tied} {basis} {dtype}");
        saved(&Shape { family, tied, biases: true, ..Shape::example() }.model(), &at("dense"), dtype, shard);
        let energy = rotated(&at("dense"), &at("streamed"), basis).unwrap();
        let resident = in_memory(&at("dense"), basis);
        saved(&resident.model, &at("resident"), dtype, shard);

        let config = |name: &str| std::fs::read_to_string(at(name).join("config.json")).unwrap();
        assert_eq!(config("streamed"), config("resident"), "{case}");
        let apart = energy.iter().zip(&resident.energy).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-6, "{case}: {apart}");
        // The sums are made in another order, so a number may be rounded to its neighbour.
        let neighbour = match dtype {
            FloatType::F32 => 0.0,
            FloatType::F16 => 1e-3,
            FloatType::Bf16 => 8e-3,
        };
        let expected = numbers(&at("resident"));
        let found = numbers(&at("streamed"));
        assert_eq!(found.len(), expected.len());
        for ((name, found), (expected_name, expected)) in found.iter().zip(&expected) {
            assert_eq!((name, found.len()), (expected_name, expected.len()));
            for (found, expected) in found.iter().zip(expected) {
                let off = (found - expected).abs();
                assert!(off <= 2e-5 + neighbour * expected.abs(), "{case} {name}: {found} {expected}");
            }
        }
        let files = SafetensorsDirectory::open(&at("streamed")).unwrap();
        assert_eq!(files.float_type(), Some(dtype));
        assert_eq!(files.shard_bytes().is_some(), shard.is_some());

        // What stays tied moves the logits of these random gains, in memory as well.
        let exact = if basis == Basis::PcaTied && tied { "resident" } else { "dense" };
        let moved = distance(logits(&loaded(&at("streamed"))), logits(&loaded(&at(exact))));
        let allowed = if dtype == FloatType::F32 { 1e-3 } else { 10.0 * f64::from(neighbour) };
        assert!(moved < allowed, "{case}: {moved}");
    }
}

/// Makes the numbers of one kind of parameter large.
struct Enlarge(&'static str);

impl ParameterMapper for Enlarge {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if name.ends_with(self.0) { value.ones_like() * 6e4 } else { value }
    }
}

#[test]
fn a_number_that_the_files_type_cannot_hold_is_refused_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let (dense, out) = (directory.path().join("dense"), directory.path().join("out"));
    let large = parameters::map(Shape::example().model(), &mut Enlarge("mlp.down_proj.weight"));
    saved(&large, &dense, FloatType::F16, None);
    let error = rotated(&dense, &out, Basis::Pca).unwrap_err().to_string();
    assert!(error.contains("mlp.down_proj.weight") && error.contains("f16 cannot hold"), "{error}");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["dense"]);
}

#[test]
fn what_cannot_be_rotated_in_memory_cannot_be_from_file_to_file() {
    let refused = |family, basis| {
        let directory = tempfile::tempdir().unwrap();
        let (dense, out) = (directory.path().join("dense"), directory.path().join("out"));
        saved(&Shape { family, ..Shape::example() }.model(), &dense, FloatType::F32, None);
        let error = rotated(&dense, &out, basis).unwrap_err().to_string();
        assert!(!out.exists());
        error
    };
    for family in FAMILIES.into_iter().filter(|family| !family.can_be_turned()) {
        assert!(refused(family, Basis::Pca).contains("behind attention"), "{family:?}");
    }
    assert!(refused(Family::Opt, Basis::PcaTied).contains("layer norms"));
    assert!(refused(Family::Llama, Basis::Identity).contains("give pca or pca-tied"));
}
