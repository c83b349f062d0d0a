//! Slicing from file to file gives what slicing in memory gives.

use crate::small_models::{FAMILIES, KINDS, Shape, selection};
use dress_core::burn::tensor::Device;
use dress_core::{Axis, AxisKind, Calibration, CausalLm, Fingerprint, NoProgress, StockTarget, parameters};
use dress_importance::{Criterion, score_by_parts};
use dress_models::checkpoint::{
    RewriteConfig, SafetensorsDirectory, fingerprint, read_config, rewrite, save,
};
use dress_models::{AnyModel, CheckpointParts, FloatType, LoadConfig, SaveConfig};
use dress_prune::{centre, edits, slice};
use std::path::Path;

pub fn saved(model: &AnyModel, place: &Path, dtype: FloatType, max_shard_bytes: Option<u64>) {
    let target = StockTarget::Dress;
    let config = SaveConfig { dtype: Some(dtype), max_shard_bytes, target, ..SaveConfig::default() };
    save(model, place, &config).unwrap();
}

pub fn declared(directory: &Path) -> AnyModel {
    let (text, path) = read_config(directory).unwrap();
    AnyModel::from_config(&text, &path, &Device::flex()).unwrap()
}

/// Rewrites `source` with a third of every axis of `kinds` gone.
fn streamed(source: &Path, place: &Path, kinds: &[AxisKind]) -> Result<(), dress_models::Error> {
    let declared = declared(source);
    let selection = selection(&declared, kinds, |len| (0..len).filter(|i| i % 3 == 1).collect());
    let edits = edits(&declared, &selection).unwrap();
    let resized = declared.clone().resized(&selection).unwrap();
    let config = RewriteConfig { target: StockTarget::Dress, ..RewriteConfig::default() };
    rewrite(&declared, &resized, &edits, [source, place], &config, &NoProgress).map(|_| ())
}

/// Every parameter's name and numbers.
pub fn numbers(directory: &Path) -> Vec<(String, Vec<f32>)> {
    let model = AnyModel::load(directory, &LoadConfig::default(), &Device::flex()).unwrap();
    struct Numbers(Vec<(String, Vec<f32>)>);
    impl parameters::ParameterVisitor for Numbers {
        fn visit<const D: usize>(
            &mut self,
            name: &str,
            _layout: parameters::Layout,
            parameter: &dress_core::burn::module::Param<dress_core::burn::tensor::Tensor<D>>,
        ) {
            self.0.push((name.into(), parameter.val().into_data().iter().collect()));
        }
    }
    let mut numbers = Numbers(Vec::new());
    parameters::visit(&model, &mut numbers);
    numbers.0
}

#[test]
fn files_sliced_are_the_model_sliced() {
    let depth = [vec![AxisKind::Depth], [&KINDS[..], &[AxisKind::Depth]].concat()];
    let sets = KINDS.map(|kind| vec![kind]).into_iter().chain([KINDS.to_vec()]).chain(depth);
    for (kinds, family) in sets.flat_map(|kinds| FAMILIES.map(|family| (kinds.clone(), family))) {
        for (dtype, shard) in [(FloatType::F32, None), (FloatType::Bf16, Some(4000)), (FloatType::F16, None)]
        {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            let shape = Shape { family, groups: 3, biases: true, ..Shape::example() };
            saved(&shape.model(), &at("dense"), dtype, shard);
            streamed(&at("dense"), &at("streamed"), &kinds).unwrap();

            let dense = AnyModel::load(&at("dense"), &LoadConfig::default(), &Device::flex()).unwrap();
            let selection = selection(&dense, &kinds, |len| (0..len).filter(|i| i % 3 == 1).collect());
            let centred = if kinds.contains(&AxisKind::Residual) { centre(dense) } else { dense };
            saved(&slice(centred, &selection).unwrap(), &at("sliced"), dtype, shard);

            let config = |name| std::fs::read_to_string(at(name).join("config.json")).unwrap();
            assert_eq!(config("streamed"), config("sliced"));
            // Centring sums in another order, so a number may be rounded to its neighbour.
            let step = match dtype {
                FloatType::F32 => 1e-6,
                FloatType::F16 => 1e-3,
                FloatType::Bf16 => 8e-3,
            };
            for ((name, found), (_, expected)) in numbers(&at("streamed")).iter().zip(numbers(&at("sliced")))
            {
                assert_eq!(found.len(), expected.len(), "{name}");
                let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let centred = kinds.contains(&AxisKind::Residual) && shape.centred();
                let allowed = if centred { step } else { 0.0 };
                assert!(worst <= allowed, "{family:?} {kinds:?} {dtype} {name}: {worst}");
            }
            let files = SafetensorsDirectory::open(&at("streamed")).unwrap();
            assert_eq!(files.float_type(), Some(dtype));
            assert_eq!(files.shard_bytes().is_some(), shard.is_some());
        }
    }
}

#[test]
fn scores_of_one_part_at_a_time_are_those_of_the_whole_model() {
    let calibration = Calibration::from_blocks(crate::small_models::tokens());
    for (family, tied) in FAMILIES.into_iter().flat_map(|family| [(family, false), (family, true)]) {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("dense");
        let model = Shape { family, tied, biases: true, ..Shape::example() }.model();
        saved(&model, &place, FloatType::F32, Some(4000));
        let load = LoadConfig::default();
        let parts = CheckpointParts::open(&place, &load, &Device::flex()).unwrap();
        let widths: Vec<Axis> =
            model.coupling().iter().map(|(axis, _)| axis).filter(|axis| *axis != Axis::Depth).collect();
        let mut streamed = 0;
        for criterion in Criterion::all() {
            let axes = if criterion.scores_widths() { widths.clone() } else { vec![Axis::Depth] };
            let Ok(found) = score_by_parts(criterion, &parts, &calibration, &axes, 3, &NoProgress) else {
                continue;
            };
            streamed += 1;
            let whole = criterion.scorer(3).score(&model, &calibration, &axes, &NoProgress).unwrap();
            for (axis, expected) in whole.iter() {
                let largest = expected.iter().map(|score| score.abs()).fold(f64::MIN_POSITIVE, f64::max);
                for (found, expected) in found.get(axis).unwrap().iter().zip(expected) {
                    let off = (found - expected).abs() / largest;
                    assert!(off < 1e-5, "{family:?} {} {axis}: {off}", criterion.name());
                }
            }
        }
        assert_eq!(streamed, 11);
    }
}

#[test]
fn files_have_the_fingerprint_of_the_model_they_hold() {
    for family in FAMILIES {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("dense");
        let model = Shape { family, ..Shape::example() }.model();
        saved(&model, &place, FloatType::Bf16, Some(4000));
        assert_eq!(fingerprint(&declared(&place), &place).unwrap(), Fingerprint::of(&model));
    }
}

#[test]
fn files_of_every_type_have_the_fingerprint_of_what_is_loaded_of_them() {
    use FloatType::{Bf16, F16, F32};
    for (filed, loaded) in [(F32, vec![F32, Bf16]), (Bf16, vec![F32, Bf16]), (F16, vec![F32, Bf16, F16])] {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("dense");
        saved(&Shape::example().model(), &place, filed, None);
        let of_files = fingerprint(&declared(&place), &place).unwrap();
        for dtype in loaded {
            let model = AnyModel::load(&place, &LoadConfig { dtype }, &Device::flex()).unwrap();
            assert_eq!(Fingerprint::of(&model), of_files, "{filed} loaded as {dtype}");
        }
    }
}

#[test]
fn models_that_lost_different_structures_have_different_fingerprints() {
    for family in FAMILIES {
        let model = Shape { family, groups: 3, ..Shape::example() }.model();
        for kind in KINDS {
            // The last structure or the last but one, so that all that comes first stays as it was.
            let without = |back: usize| {
                let selection = selection(&model, &[kind], |len| vec![len - back]);
                Fingerprint::of(&slice(model.clone(), &selection).unwrap())
            };
            assert_ne!(without(1), without(2), "{family:?} {kind}");
        }
    }
}

#[test]
fn a_type_that_config_json_says_stays_though_a_tensor_has_another() {
    let directory = tempfile::tempdir().unwrap();
    let (dense, out) = (directory.path().join("dense"), directory.path().join("out"));
    saved(&Shape::example().model(), &dense, FloatType::Bf16, None);
    let text = std::fs::read_to_string(dense.join("config.json")).unwrap();
    std::fs::write(dense.join("config.json"), text.replace("bfloat16", "float16")).unwrap();
    streamed(&dense, &out, &[AxisKind::Ffn]).unwrap();
    assert!(std::fs::read_to_string(out.join("config.json")).unwrap().contains("\"float16\""));
}

#[test]
fn a_file_with_nan_in_it_is_refused_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let (dense, out) = (directory.path().join("dense"), directory.path().join("out"));
    saved(&Shape::example().model(), &dense, FloatType::F32, None);
    let file = dense.join("model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    let error = streamed(&dense, &out, &[AxisKind::Ffn]).unwrap_err().to_string();
    assert!(error.contains("NaN"), "{error}");
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["dense"]);
}
