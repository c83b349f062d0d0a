//! Somebody else's family, saved, loaded, scored by parts, sliced and rotated from file to file by our crates
//! unchanged.

use dress_core::burn::module::Param;
use dress_core::burn::tensor::{Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{
    Axis, AxisKind, AxisSelection, Basis, Calibration, CausalLm, Fingerprint, Forward, NoProgress, NoTap,
    Parts, Selection,
};
use dress_importance::{Criterion, score_by_parts};
use dress_models::checkpoint::{
    RewriteConfig, Weights, declare, fingerprint, load_model, rewrite, rewrite_rotated, save,
};
use dress_models::{Checkpoint, CheckpointParts, Error, FloatType, LoadConfig, SaveConfig};
use dress_prune::{edits, rotate_by_parts, rotate_to_principal_components, slice};
use std::path::Path;
use third_party_model::{NoLayers, ShiftConfig, ShiftLm};

fn calibration() -> Calibration {
    Calibration::from_blocks((0..12).map(|n| (0..16).map(|i| (i * n + 3) % 29).collect()).collect())
}

/// Every parameter's name, as the files have it, and numbers.
fn numbers(model: &ShiftLm) -> Vec<(String, Vec<f32>)> {
    struct Numbers(Vec<(String, Vec<f32>)>);
    impl ParameterVisitor for Numbers {
        fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
            let value = parameter.val();
            let filed = if layout == Layout::Transposed { value.swap_dims(0, 1) } else { value };
            self.0.push((name.into(), filed.into_data().iter().collect()));
        }
    }
    let mut numbers = Numbers(Vec::new());
    parameters::visit(model, &mut numbers);
    numbers.0
}

fn logits(model: &ShiftLm) -> Vec<f32> {
    let tokens = Calibration::tensor(&calibration().blocks[1..3], &Device::flex());
    model.forward(tokens, &mut Forward::new(&mut NoTap)).into_data().iter().collect()
}

fn loaded(place: &Path) -> ShiftLm {
    load_model(place, &LoadConfig::default(), &Device::flex()).unwrap()
}

fn parts(place: &Path) -> CheckpointParts<ShiftLm> {
    CheckpointParts::open_as(place, &LoadConfig::default(), &Device::flex()).unwrap()
}

/// A model saved in several files, and the place.
fn saved(directory: &Path) -> (ShiftLm, std::path::PathBuf) {
    saved_as(ShiftConfig::of_two_layers(29, 16, 24), directory)
}

fn saved_as(config: ShiftConfig, directory: &Path) -> (ShiftLm, std::path::PathBuf) {
    let (model, place) = (ShiftLm::of_config(config, &Device::flex()), directory.join("dense"));
    let config = SaveConfig { max_shard_bytes: Some(4000), ..SaveConfig::default() };
    assert!(save(&model, &place, &config).unwrap().shards > 1);
    (model, place)
}

fn selection() -> Selection {
    Selection::new()
        .with(Axis::Residual, AxisSelection::new(16, vec![1, 4, 5, 11]).unwrap())
        .with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, (0..12).collect()).unwrap())
        .with(Axis::Ffn { layer: 1 }, AxisSelection::new(24, vec![3, 20]).unwrap())
}

#[test]
fn what_is_saved_is_loaded_with_its_numbers_shape_and_fingerprint() {
    let directory = tempfile::tempdir().unwrap();
    let (model, place) = saved(directory.path());
    let again = loaded(&place);
    assert_eq!(again.config(), model.config());
    assert_eq!(numbers(&again), numbers(&model));
    let checkpoint = Checkpoint::<ShiftLm>::at_as(&place).unwrap();
    assert_eq!(checkpoint.fingerprint().unwrap(), Fingerprint::of(&model));
    let half = directory.path().join("half");
    let config = SaveConfig { dtype: Some(FloatType::Bf16), source: Some(place), ..SaveConfig::default() };
    save(&again, &half, &config).unwrap();
    assert_eq!(Weights::open(&half).unwrap().float_type(), Some(FloatType::Bf16));
    assert_eq!(
        fingerprint(&declare::<ShiftLm>(&half, &Device::flex()).unwrap(), &half).unwrap(),
        Fingerprint::of(&model)
    );
}

#[test]
fn what_is_sliced_from_file_to_file_is_the_model_sliced() {
    let directory = tempfile::tempdir().unwrap();
    let (model, place) = saved(directory.path());
    let (out, declared) =
        (directory.path().join("sliced"), declare::<ShiftLm>(&place, &Device::flex()).unwrap());
    let edits = edits(&declared, &selection()).unwrap();
    let resized = declared.clone().resized(&selection()).unwrap();
    rewrite(&declared, &resized, &edits, [&place, &out], &RewriteConfig::default(), &NoProgress).unwrap();
    let (streamed, sliced) = (loaded(&out), slice(model, &selection()).unwrap());
    assert_eq!((streamed.config().width, &streamed.config().inner[..]), (12, &[12, 22][..]));
    assert_eq!(numbers(&streamed), numbers(&sliced));
    assert_eq!(logits(&streamed), logits(&sliced));
}

#[test]
fn a_layer_that_goes_from_file_to_file_leaves_the_model_sliced() {
    let directory = tempfile::tempdir().unwrap();
    let (model, place) = saved(directory.path());
    let selection = selection().with(Axis::Depth, AxisSelection::new(2, vec![0]).unwrap());
    let (out, declared) =
        (directory.path().join("shallower"), declare::<ShiftLm>(&place, &Device::flex()).unwrap());
    let edits = edits(&declared, &selection).unwrap();
    let resized = declared.clone().resized(&selection).unwrap();
    rewrite(&declared, &resized, &edits, [&place, &out], &RewriteConfig::default(), &NoProgress).unwrap();
    let (streamed, sliced) = (loaded(&out), slice(model, &selection).unwrap());
    assert_eq!((streamed.num_layers(), &streamed.config().inner[..]), (1, &[22][..]));
    assert_eq!(numbers(&streamed), numbers(&sliced));
}

#[test]
fn scores_by_parts_are_those_of_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (model, place) = saved(directory.path());
    let map = model.coupling();
    let axes: Vec<Axis> =
        [AxisKind::Residual, AxisKind::Ffn].iter().flat_map(|&kind| map.of_kind(kind).unwrap()).collect();
    for criterion in [Criterion::ActivationNorm, Criterion::Wanda] {
        let whole = criterion.scorer::<ShiftLm>(3).score(&model, &calibration(), &axes, &NoProgress).unwrap();
        let by_parts =
            score_by_parts(criterion, &parts(&place), &calibration(), &axes, 3, &NoProgress).unwrap();
        for &axis in &axes {
            assert_eq!(by_parts.get(axis), whole.get(axis), "{criterion} {axis}");
        }
    }
}

#[test]
fn what_is_rotated_from_file_to_file_or_in_memory_computes_the_same() {
    for plus_one in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let config = ShiftConfig { plus_one, ..ShiftConfig::of_two_layers(29, 16, 24) };
        let (model, place) = saved_as(config, directory.path());
        let (out, parts) = (directory.path().join("rotated"), parts(&place));
        let turned = rotate_by_parts(&parts, Basis::Pca, &calibration(), &NoProgress).unwrap();
        let config = RewriteConfig::default();
        let places = [place.as_path(), &out];
        rewrite_rotated(parts.declared(), &turned.declared, &turned.rotation, places, &config, &NoProgress)
            .unwrap();
        let in_memory = rotate_to_principal_components(model.clone(), &calibration(), &NoProgress).unwrap();
        let largest = logits(&model).iter().map(|logit| logit.abs()).fold(0.0, f32::max);
        // A norm whose gains went into what reads it multiplies by one.
        let left = if plus_one { 0.0 } else { 1.0 };
        for turned in [loaded(&out), in_memory.model] {
            let pairs = logits(&turned).into_iter().zip(logits(&model));
            let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-4 * largest, "{plus_one}: {apart} of {largest}");
            let turned = numbers(&turned);
            assert_ne!(turned, numbers(&model));
            let mut gains = turned.iter().filter(|(name, _)| name.ends_with("norm.gain"));
            assert!(gains.all(|(_, gains)| gains.iter().all(|gain| *gain == left)), "{plus_one}: {turned:?}");
        }
    }
}

#[test]
fn a_cause_of_the_family_s_own_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (_, place) = saved(directory.path());
    let config = place.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let (before, after) = (text.find('[').unwrap(), text.find(']').unwrap());
    std::fs::write(&config, [&text[..=before], &text[after..]].concat()).unwrap();
    match declare::<ShiftLm>(&place, &Device::flex()) {
        Err(Error::ConfigRefused { cause, .. }) => assert_eq!(cause.downcast_ref(), Some(&NoLayers)),
        other => panic!("{other:?}"),
    }
}
