//! Layers regularized one at a time with one layer in memory, in one go and in parts.

use crate::local::{After, KINDS, config, local, model};
use crate::regularized::calibration;
use crate::small_models::{FAMILIES, Family};
use crate::streaming::saved;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{
    AxisKind, Calibration, CorpusProvenance, NoProgress, Progress, Ratio, SlicePlan, StockTarget,
};
use dress_importance::Criteria;
use dress_models::{AnyModel, CheckpointParts, FloatType, LoadConfig};
use dress_prune::{
    AxisTarget, Error, FinishedLayers, LocalByParts, LocalError, LocalInputs, PruneConfig, Pruned,
    RegularizedLayer, keep_streams, prune,
};
use dress_train::{CheckpointEvery, EarlyStopping, RunDirectory};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// A checkpoint on disk, and what pruning it in memory makes of it.
struct Case {
    place: tempfile::TempDir,
    parts: CheckpointParts,
    config: PruneConfig,
    whole: Pruned<AnyModel>,
}

impl Case {
    fn new(family: Family, inputs: LocalInputs, change: impl FnOnce(&mut PruneConfig)) -> Self {
        let (place, dense) = (tempfile::tempdir().unwrap(), model(family));
        let mut config = config(&KINDS, Some(local(inputs, 1e-3)));
        change(&mut config);
        saved(&dense, &place.path().join("dense"), FloatType::F32, None);
        let load = LoadConfig::default();
        let parts = CheckpointParts::open(&place.path().join("dense"), &load, &Device::flex()).unwrap();
        let whole =
            prune(dense, &Criteria::new(&[], &KINDS, 7), &calibration(), &config, &NoProgress).unwrap();
        Self { place, parts, config, whole }
    }

    fn directory(&self, name: &str) -> RunDirectory {
        RunDirectory::at(self.place.path().join(name))
    }

    /// Regularizes `layers` into the directory `name`.
    fn run(
        &self,
        name: &str,
        layers: Range<usize>,
        streams: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let (calibration, mut config) = (calibration(), self.config.clone());
        let train = &mut config.regularize.as_mut().unwrap().train;
        train.run_dir = Some(self.directory(name).path().into());
        train.checkpoint_every = Some(CheckpointEvery::Steps(3));
        LocalByParts::new(&self.parts, &self.whole.plan, &calibration, &config, DType::F32, streams)?
            .run(layers, progress)
    }

    /// A layer as it waits in the directory `name`.
    fn found(&self, name: &str, number: usize) -> Result<Option<RegularizedLayer<AnyModel>>, Error> {
        let calibration = calibration();
        let plan = &self.whole.plan;
        let local = LocalByParts::new(&self.parts, plan, &calibration, &self.config, DType::F32, None);
        let key = local.unwrap().key();
        FinishedLayers::new(&self.parts, plan, &key).layer(number, &self.directory(name))
    }

    /// The numbers of a layer that is finished in the directory `name`, by their names in the whole model.
    fn layer(&self, name: &str, number: usize) -> BTreeMap<String, Vec<f32>> {
        let numbers = numbers_of(&self.found(name, number).unwrap().unwrap().model);
        let of_layer = numbers.into_iter().filter(|(name, _)| parameters::layer_of(name) == Some(0));
        of_layer.map(|(name, numbers)| (parameters::in_layer(&name, number), numbers)).collect()
    }

    /// The numbers of the same layer of the model that was pruned in memory.
    fn expected(&self, number: usize) -> BTreeMap<String, Vec<f32>> {
        let all = numbers_of(&self.whole.model).into_iter();
        all.filter(|(name, _)| parameters::layer_of(name) == Some(number)).collect()
    }
}

fn numbers_of(model: &AnyModel) -> BTreeMap<String, Vec<f32>> {
    struct Numbers(BTreeMap<String, Vec<f32>>);
    impl ParameterVisitor for Numbers {
        fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            self.0.insert(name.into(), parameter.val().into_data().iter().collect());
        }
    }
    let mut numbers = Numbers(BTreeMap::new());
    parameters::visit(model, &mut numbers);
    numbers.0
}

#[test]
fn a_text_that_lies_elsewhere_is_the_same() {
    let case = Case::new(Family::Llama, LocalInputs::Pruned, |_| {});
    let key = |path: &str, sha256: &str| {
        let (mut plan, calibration) = (case.whole.plan.clone(), calibration());
        let text =
            CorpusProvenance { path: path.into(), sha256: sha256.into(), ..CorpusProvenance::default() };
        plan.calibration = Some(text);
        LocalByParts::new(&case.parts, &plan, &calibration, &case.config, DType::F32, None).unwrap().key()
    };
    assert_eq!(key("texts/a.txt", "0123"), key("b.txt", "0123"));
    assert_ne!(key("a.txt", "0123"), key("a.txt", "4567"));
}

#[test]
fn one_layer_in_memory_gives_the_bits_of_the_whole_model_in_memory() {
    let dense = FAMILIES.map(|family| (family, LocalInputs::Dense));
    let pruned = [Family::Llama, Family::Opt].map(|family| (family, LocalInputs::Pruned));
    for (family, inputs) in dense.into_iter().chain(pruned) {
        let case = Case::new(family, inputs, |_| {});
        case.run("all", 0..3, None, &NoProgress).unwrap();
        for number in 0..3 {
            assert_eq!(case.layer("all", number), case.expected(number), "{family:?} {inputs} {number}");
        }
        assert!(!case.directory("all").stream(2).exists(), "streams are gone when nobody reads them");
    }
}

#[test]
fn parts_made_apart_have_the_bits_of_one_run_whether_or_not_streams_were_kept() {
    let case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    let streams = case.directory("streams");
    let (fingerprint, calibration) = (&case.whole.plan.fingerprint, calibration());
    keep_streams(&case.parts, fingerprint, &calibration, DType::F32, &streams, 1..3, &NoProgress).unwrap();
    assert!(
        [(0, false), (1, true), (2, true)]
            .iter()
            .all(|&(layer, there)| { streams.stream(layer).exists() == there })
    );
    case.run("first", 0..1, None, &NoProgress).unwrap();
    case.run("second", 1..2, None, &NoProgress).unwrap();
    case.run("third", 2..3, Some(streams.path()), &NoProgress).unwrap();
    for (number, name) in ["first", "second", "third"].into_iter().enumerate() {
        assert_eq!(case.layer(name, number), case.expected(number), "{name}");
        let others = (0..3).filter(|&other| other != number);
        others.for_each(|other| assert!(!case.directory(name).layer(other).finished().exists()));
    }
}

#[test]
fn interrupted_at_any_step_it_ends_in_the_same_bits() {
    for inputs in [LocalInputs::Dense, LocalInputs::Pruned] {
        let case = Case::new(Family::Llama, inputs, |_| {});
        let mut interruptions = 0;
        while let Err(error) = case.run("all", 0..3, None, &After::new(17)) {
            assert!(error.to_string().contains("cancelled"), "{error}");
            interruptions += 1;
            assert!(interruptions < 40, "it gets nowhere");
        }
        assert!(interruptions >= 2, "{interruptions}");
        (0..3).for_each(|number| assert_eq!(case.layer("all", number), case.expected(number), "{inputs}"));
    }
}

/// Writes the path of the text into what `directory` keeps of layers, as earlier versions did, and says what
/// was written anew.
fn with_the_path_of_the_text(directory: &Path) -> Vec<String> {
    fn change(path: &Path, change: &dyn Fn(&mut Value)) {
        let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        change(&mut value);
        std::fs::write(path, serde_json::to_string(&value).unwrap()).unwrap();
    }
    let mut written = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let at = match name.as_str() {
            _ if path.is_dir() => {
                written.extend(with_the_path_of_the_text(&path));
                continue;
            }
            "finished.json" => "/key/plan/calibration/path",
            "position.json" => "/key/settings/layer/plan/calibration/path",
            _ => continue,
        };
        change(&path, &|value| *value.pointer_mut(at).unwrap() = "/home/me/a.txt".into());
        let contents = path.with_file_name("contents.json");
        if contents.exists() {
            let hash = dress_core::files::sha256(&path).unwrap();
            change(&contents, &|value| value[&name] = hash.clone().into());
        }
        written.push(name);
    }
    written
}

#[test]
fn what_an_earlier_version_kept_with_the_path_of_the_text_is_gone_on_with() {
    for inputs in [LocalInputs::Dense, LocalInputs::Pruned] {
        let case = Case::new(Family::Llama, inputs, |_| {});
        let interrupted = case.run("all", 0..3, None, &After::new(23)).unwrap_err().to_string();
        assert!(interrupted.contains("cancelled"), "{interrupted}");
        let mut written = with_the_path_of_the_text(case.directory("all").path());
        written.sort();
        assert_eq!(written, ["finished.json", "position.json"], "{inputs}");
        if inputs == LocalInputs::Pruned {
            // Its streams are of a key with that path, and are made again.
            let stream = case.directory("all").stream(1);
            let mut whole = std::fs::read(&stream).unwrap();
            let key = whole.windows(7).position(|part| part == b"\"key\":\"").unwrap() + 7;
            whole[key..key + 64].fill(b'0');
            std::fs::write(&stream, whole).unwrap();
        }
        case.run("all", 0..3, None, &NoProgress).unwrap();
        (0..3).for_each(|number| assert_eq!(case.layer("all", number), case.expected(number), "{inputs}"));
        let first = std::fs::read_to_string(case.directory("all").layer(0).finished()).unwrap();
        assert!(first.contains("/home/me/a.txt"), "it is not made again: {inputs}");
    }
}

#[test]
fn what_another_run_left_is_refused_by_name() {
    let case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    case.run("all", 0..1, None, &NoProgress).unwrap();
    let mut others = Case::new(Family::Llama, LocalInputs::Dense, |config| {
        config.regularize.as_mut().unwrap().train.epochs = 2;
    });
    std::fs::rename(case.directory("all").path(), others.directory("all").path()).unwrap();
    let said = others.run("all", 0..1, None, &NoProgress).unwrap_err().to_string();
    assert!(said.contains("settings.train.epochs 1 there and 2 here") && said.contains("layer-0"), "{said}");
    others.config.regularize.as_mut().unwrap().train.replace_other_run = true;
    others.run("all", 0..1, None, &NoProgress).unwrap();
    assert_eq!(others.layer("all", 0), others.expected(0));
}

#[test]
fn a_finished_layer_that_is_damaged_is_refused_by_name_and_made_again_where_that_is_asked_for() {
    let mut case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    case.run("all", 0..2, None, &NoProgress).unwrap();
    let directory = case.directory("all").layer(1);
    for path in [directory.finished(), directory.finished_weights()] {
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        let name = path.display().to_string();
        for damaged in [&whole[..whole.len() / 2], &flipped] {
            std::fs::write(&path, damaged).unwrap();
            let said = case.run("all", 0..2, None, &NoProgress).unwrap_err().to_string();
            assert!(said.contains(&name) && said.contains("give `force`"), "{said}");
            let joined = case.found("all", 1).map(drop).unwrap_err().to_string();
            let remedy = "`PruneByParts::run` with `force`";
            assert!(joined.contains(&name) && joined.contains(remedy), "{joined}");
            case.config.regularize.as_mut().unwrap().train.replace_other_run = true;
            case.run("all", 0..2, None, &NoProgress).unwrap();
            case.config.regularize.as_mut().unwrap().train.replace_other_run = false;
            (0..2).for_each(|number| assert_eq!(case.layer("all", number), case.expected(number), "{name}"));
        }
    }
}

#[test]
fn a_damaged_layer_that_was_finished_before_there_were_hashes_is_made_again_where_that_is_asked_for() {
    let mut case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    case.run("all", 0..3, None, &NoProgress).unwrap();
    let directory = case.directory("all").layer(1);
    let (finished, weights) = (directory.finished(), directory.finished_weights());
    let whole = std::fs::read(&weights).unwrap();
    for damaged in [None, Some(&whole[..whole.len() / 2])] {
        let mut known: Value = serde_json::from_slice(&std::fs::read(&finished).unwrap()).unwrap();
        known.as_object_mut().unwrap().remove("weights_sha256").unwrap();
        std::fs::write(&finished, known.to_string()).unwrap();
        case.run("all", 0..3, None, &NoProgress).unwrap();
        match damaged {
            None => std::fs::remove_file(&weights).unwrap(),
            Some(truncated) => std::fs::write(&weights, truncated).unwrap(),
        }
        let refused = case.found("all", 1).map(drop).unwrap_err().to_string();
        assert!(refused.contains("finished.bpk") && refused.contains("with `force`"), "{refused}");
        if damaged.is_none() {
            let refused = case.run("all", 0..3, None, &NoProgress).unwrap_err().to_string();
            assert!(refused.contains("finished.bpk") && refused.contains("give `force`"), "{refused}");
        }
        case.config.regularize.as_mut().unwrap().train.replace_other_run = true;
        case.run("all", 0..3, None, &NoProgress).unwrap();
        case.config.regularize.as_mut().unwrap().train.replace_other_run = false;
        (0..3).for_each(|number| assert_eq!(case.layer("all", number), case.expected(number)));
    }
}

#[test]
fn streams_of_an_interrupted_run_that_are_damaged_are_refused_by_name_and_made_again_where_that_is_asked_for()
{
    let mut case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    let interrupted = case.run("all", 0..3, None, &After::new(17)).unwrap_err().to_string();
    assert!(interrupted.contains("cancelled"), "{interrupted}");
    let directory = case.directory("all");
    let stream = (0..2).map(|layer| directory.stream(layer)).find(|path| path.exists()).unwrap();
    let whole = std::fs::read(&stream).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for damaged in [&whole[..whole.len() - 1], &flipped] {
        std::fs::write(&stream, damaged).unwrap();
        let said = case.run("all", 0..3, None, &NoProgress).unwrap_err().to_string();
        assert!(said.contains(&stream.display().to_string()) && said.contains("give `force`"), "{said}");
    }
    case.config.regularize.as_mut().unwrap().train.replace_other_run = true;
    case.run("all", 0..3, None, &NoProgress).unwrap();
    (0..3).for_each(|number| assert_eq!(case.layer("all", number), case.expected(number)));
}

#[test]
fn streams_of_another_text_are_refused_by_name() {
    let case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    let (streams, fingerprint) = (case.directory("streams"), &case.whole.plan.fingerprint);
    let other = Calibration::from_blocks(calibration().blocks.into_iter().rev().collect());
    keep_streams(&case.parts, fingerprint, &other, DType::F32, &streams, 0..3, &NoProgress).unwrap();
    let said = case.run("all", 1..2, Some(streams.path()), &NoProgress).unwrap_err().to_string();
    assert!(said.contains("stream-1") && said.contains("`keep_streams`"), "{said}");
    let own = calibration();
    let kept = keep_streams(&case.parts, fingerprint, &own, DType::F32, &streams, 2..3, &NoProgress);
    assert!(
        matches!(kept, Err(Error::Local(LocalError::StreamsOfAnother { .. }))),
        "those of the other text stay"
    );
    keep_streams(&case.parts, fingerprint, &other, DType::F32, &streams, 0..3, &NoProgress).unwrap();
}

#[test]
fn streams_that_were_kept_before_stay_where_later_ones_are_made_from_them() {
    let case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    let (streams, fingerprint) = (case.directory("streams"), &case.whole.plan.fingerprint);
    let keep = |layers: Range<usize>| {
        let calibration = calibration();
        keep_streams(&case.parts, fingerprint, &calibration, DType::F32, &streams, layers, &NoProgress)
    };
    let there = || [0, 1, 2].map(|layer| streams.stream(layer).exists());
    keep(0..1).unwrap();
    assert_eq!(there(), [true, false, false]);
    keep(2..3).unwrap();
    assert_eq!(there(), [true, false, true], "the first is another's, and the second nobody's");
}

#[test]
fn parts_of_what_layers_become_are_refused() {
    let case = Case::new(Family::Llama, LocalInputs::Pruned, |_| {});
    let said = case.run("all", 1..3, None, &NoProgress).unwrap_err().to_string();
    assert!(said.contains("layer 1") && said.contains("`local = dense`"), "{said}");
    let said = case.run("all", 0..3, Some(Path::new("streams")), &NoProgress).unwrap_err().to_string();
    assert!(said.contains("`streams`"), "{said}");
    case.run("all", 0..2, None, &NoProgress).unwrap();
    assert_eq!(case.layer("all", 1), case.expected(1), "those from the first on need nobody");
}

#[test]
fn the_width_needs_the_whole_model() {
    let case = Case::new(Family::Llama, LocalInputs::Dense, |config| {
        *config = PruneConfig { regularize: config.regularize.clone(), ..narrow() };
    });
    let said = case.run("all", 0..3, None, &NoProgress).unwrap_err().to_string();
    assert!(said.contains("the width") && said.contains("one layer at a time is in memory"), "{said}");
}

/// A quarter of the width in the checkpoint's own coordinates.
fn narrow() -> PruneConfig {
    let ratio = Ratio::new(0.25).unwrap();
    let target = AxisTarget { kind: AxisKind::Residual, ratio, tile: 1 };
    PruneConfig { stock: StockTarget::Dress, ..PruneConfig::new(vec![target]) }
}

/// What is held out is watched by its own distance, layer by layer.
#[test]
fn layers_stop_where_blocks_held_out_come_no_nearer() {
    let early = EarlyStopping { holdout: 0.2, every: 1, patience: 1 };
    let case = Case::new(Family::Llama, LocalInputs::Dense, |config| {
        let train = &mut config.regularize.as_mut().unwrap().train;
        (train.early_stopping, train.epochs, train.learning_rate.peak) = (Some(early), 6, 0.01);
    });
    let curve = &case.whole.report.curve;
    let looks: Vec<f64> = curve.iter().filter_map(|point| point.held_out).collect();
    assert_eq!(looks.len(), curve.len());
    assert!(curve.len() < 3 * 6 * 16, "{} steps", curve.len());
    case.run("all", 0..3, None, &NoProgress).unwrap();
    (0..3).for_each(|number| assert_eq!(case.layer("all", number), case.expected(number)));
}

/// A plan for the checkpoint is one for its files.
#[test]
fn the_plan_of_the_files_is_that_of_the_model() {
    let case = Case::new(Family::Llama, LocalInputs::Dense, |_| {});
    let plan: &SlicePlan = &case.whole.plan;
    assert_eq!(case.parts.fingerprint().unwrap(), plan.fingerprint);
}
