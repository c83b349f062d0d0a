//! A run that was killed ends with the bits of one that was not.

use crate::small::{CONFIG, alone, config, data, weights};
use dress_core::burn::tensor::Device;
use dress_core::parameters;
use dress_core::{Advance, NoProgress, Progress, Stage};
use dress_models::AnyModel;
use dress_train::{CheckpointEvery, EarlyStopping, NoRegularization, Precision, TrainConfig, train};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const PLACE: &str = "DRESS_TEST_RUN_DIR";
const RESULT: &str = "weights.bin";

/// The same weights in every process.
fn model() -> AnyModel {
    struct Numbered(usize);
    impl parameters::ParameterMapper for Numbered {
        fn map<const D: usize>(
            &mut self,
            _name: &str,
            _layout: parameters::Layout,
            value: dress_core::burn::tensor::Tensor<D>,
        ) -> dress_core::burn::tensor::Tensor<D> {
            let (dims, device) = (value.dims(), value.device());
            let mut next = || {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((self.0 >> 33) as f32 / (1u64 << 31) as f32 - 0.5) * 0.4
            };
            let numbers: Vec<f32> = (0..dims.iter().product()).map(|_| next()).collect();
            let data = dress_core::burn::tensor::TensorData::new(numbers, dims);
            dress_core::burn::tensor::Tensor::from_data(data, &device)
        }
    }
    let model = AnyModel::from_config(CONFIG, Path::new("config.json"), &Device::flex()).unwrap();
    parameters::map(model, &mut Numbered(1))
}

fn settings(directory: &Path) -> TrainConfig {
    let early_stopping = Some(EarlyStopping { holdout: 0.2, every: 5, patience: 50 });
    TrainConfig {
        epochs: 40,
        run_dir: Some(directory.into()),
        checkpoint_every: Some(CheckpointEvery::Steps(1)),
        precision: Precision::MasterWeights,
        early_stopping,
        ..config()
    }
}

fn run(directory: &Path, progress: &dyn Progress) -> Vec<u8> {
    let trained = train(model(), &data(), &settings(directory), &NoRegularization, progress).unwrap();
    weights(&trained.model).iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

/// Not a test of its own: what [`killed_at_ten_random_moments`] starts, and kills.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(PLACE) else { return };
    let directory = Path::new(&directory);
    let bits = run(directory, &NoProgress);
    std::fs::write(directory.join(RESULT), bits).unwrap();
}

fn start(directory: &Path) -> Child {
    alone("resume::child").env(PLACE, directory).stdout(Stdio::null()).spawn().unwrap()
}

/// The steps of the latest checkpoint in a directory.
fn steps_done(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("checkpoint-")?.parse().ok()).max().unwrap_or(0)
}

/// How often a run is killed: ten times, or as often as this says.
fn moments() -> usize {
    std::env::var("DRESS_KILL_MOMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

#[test]
fn killed_at_ten_random_moments() {
    let places = tempfile::tempdir().unwrap();
    let (whole, killed) = (places.path().join("whole"), places.path().join("killed"));
    assert!(start(&whole).wait().unwrap().success());
    let mut draw = 12_345u64;
    for _ in 0..moments() {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let goal = steps_done(&killed) + (draw >> 40) as usize % (120 / moments()).max(1);
        let mut child = start(&killed);
        while steps_done(&killed) < goal {
            assert!(child.try_wait().unwrap().is_none(), "the run was over before it was killed");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros((draw >> 33) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(start(&killed).wait().unwrap().success());
    let bits = |directory: &Path| std::fs::read(directory.join(RESULT)).unwrap();
    assert!(bits(&whole) == bits(&killed), "the weights differ");
}

/// Panics when so many steps are done.
struct Interrupt(std::sync::atomic::AtomicU64, u64);

impl Progress for Interrupt {
    fn advanced(&self, _stage: &Stage, at: &Advance) {
        self.0.store(at.done, std::sync::atomic::Ordering::Relaxed);
        assert!(at.done < self.1, "interrupted on purpose");
    }
}

/// Ends the work when so many steps are done.
struct Cancel(std::sync::atomic::AtomicU64, u64);

impl Progress for Cancel {
    fn advanced(&self, _stage: &Stage, at: &Advance) {
        self.0.store(at.done, std::sync::atomic::Ordering::Relaxed);
    }
    fn is_cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed) >= self.1
    }
}

#[test]
fn a_run_that_is_cancelled_keeps_its_last_step_and_goes_on_from_it() {
    let (whole, cancelled) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bits = run(whole.path(), &NoProgress);
    let rarely = |place: &Path| TrainConfig {
        checkpoint_every: Some(CheckpointEvery::Steps(1000)),
        ..settings(place)
    };
    let cancel = Cancel(0.into(), 7);
    let error = train(model(), &data(), &rarely(cancelled.path()), &NoRegularization, &cancel).unwrap_err();
    let steps = settings(whole.path()).steps(data().blocks.len());
    assert!(error.to_string().contains("training was cancelled after 7 of"), "{error}, {steps} steps");
    assert_eq!(steps_done(cancelled.path()), 7);
    let seen = Cancel(0.into(), u64::MAX);
    let trained = train(model(), &data(), &rarely(cancelled.path()), &NoRegularization, &seen).unwrap();
    let again: Vec<u8> = weights(&trained.model).iter().flat_map(|weight| weight.to_le_bytes()).collect();
    assert!(again == bits, "the weights differ");
}

#[test]
fn another_run_in_the_same_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let interrupt = Interrupt(0.into(), 7);
    assert!(catch_unwind(AssertUnwindSafe(|| run(place.path(), &interrupt))).is_err());
    let other = TrainConfig { batch_size: 2, ..settings(place.path()) };
    let error = train(model(), &data(), &other, &NoRegularization, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("other settings (train.batch_size 4 there and 2 here)"), "{error}");
    assert!(error.contains("`force`") && error.contains("remove the directory"), "{error}");
    let mut fewer = data();
    fewer.blocks.pop();
    let settings = settings(place.path());
    let error = train(model(), &fewer, &settings, &NoRegularization, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("other data"), "{error}");
    let error = train(crate::small::model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("another model"), "{error}");
    let anew = TrainConfig { replace_other_run: true, ..other };
    let interrupted = |config: &TrainConfig, steps: u64| {
        let interrupt = Interrupt(0.into(), steps);
        let run = || train(model(), &data(), config, &NoRegularization, &interrupt);
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        steps_done(place.path())
    };
    assert_eq!(interrupted(&anew, 1), 6, "what was there stays until there is another");
    assert_eq!(interrupted(&anew, 3), 2, "and goes with the first of the new run");
    let trained = train(model(), &data(), &anew, &NoRegularization, &NoProgress).unwrap();
    assert_eq!(trained.curve[0].tokens, 2 * 12, "it began anew, with the smaller batches");
}

#[test]
fn spaced_checkpoints_are_a_tenth_of_the_steps_apart_where_writing_them_costs_little() {
    let place = tempfile::tempdir().unwrap();
    let slow = Slow(Interrupt(0.into(), 30));
    let settings = TrainConfig {
        checkpoint_every: Some(CheckpointEvery::Spaced),
        early_stopping: None,
        epochs: 20,
        ..settings(place.path())
    };
    let run = || train(model(), &data(), &settings, &NoRegularization, &slow);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    assert_eq!(settings.steps(data().blocks.len()), 80);
    assert!((8..30).contains(&steps_done(place.path())), "{}", steps_done(place.path()));
}

/// Steps that take their time, as those of larger models do.
struct Slow(Interrupt);

impl Progress for Slow {
    fn advanced(&self, stage: &Stage, at: &Advance) {
        std::thread::sleep(Duration::from_millis(20));
        self.0.advanced(stage, at);
    }
}

#[test]
fn a_broken_checkpoint_is_an_error_that_says_so() {
    let place = tempfile::tempdir().unwrap();
    let interrupt = Interrupt(0.into(), 7);
    assert!(catch_unwind(AssertUnwindSafe(|| run(place.path(), &interrupt))).is_err());
    let entries = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path());
    let checkpoint = entries.filter(|path| path.is_dir()).max().unwrap();
    std::fs::write(checkpoint.join("model.bpk"), b"nothing").unwrap();
    let settings = settings(place.path());
    let refused = || {
        let error = train(model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("not a checkpoint to go on from") && error.contains("remove it"), "{error}");
    };
    refused();
    // Whole as its hashes say, as one is that another version of the reader has written.
    let contents = checkpoint.join("contents.json");
    let text = std::fs::read_to_string(&contents).unwrap();
    let mut hashes: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    let hash = dress_core::files::sha256(&checkpoint.join("model.bpk")).unwrap();
    hashes.insert("model.bpk".into(), hash);
    std::fs::write(&contents, serde_json::to_string(&hashes).unwrap()).unwrap();
    refused();
    let anew = TrainConfig { replace_other_run: true, ..settings.clone() };
    let interrupt = Interrupt(0.into(), 1);
    let run_anew = || train(model(), &data(), &anew, &NoRegularization, &interrupt);
    assert!(catch_unwind(AssertUnwindSafe(run_anew)).is_err());
    assert_eq!(std::fs::read(checkpoint.join("model.bpk")).unwrap(), b"nothing", "it stays for now");
    let trained = train(model(), &data(), &anew, &NoRegularization, &NoProgress).unwrap();
    let whole = tempfile::tempdir().unwrap();
    let again: Vec<u8> = weights(&trained.model).iter().flat_map(|weight| weight.to_le_bytes()).collect();
    assert!(again == run(whole.path(), &NoProgress), "from the start it ends in the same bits");
}

#[test]
fn a_flipped_byte_in_any_file_of_a_checkpoint_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let interrupt = Interrupt(0.into(), 7);
    assert!(catch_unwind(AssertUnwindSafe(|| run(place.path(), &interrupt))).is_err());
    let entries = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path());
    let checkpoint = entries.filter(|path| path.is_dir()).max().unwrap();
    let names = ["best.bpk", "contents.json", "curve.jsonl", "model.bpk", "optimizer.bpk", "position.json"];
    let mut found: Vec<String> = std::fs::read_dir(&checkpoint)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, names);
    for name in names {
        let path = checkpoint.join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let settings = settings(place.path());
        let error = train(model(), &data(), &settings, &NoRegularization, &NoProgress).unwrap_err();
        let says = error.to_string();
        assert!(
            says.contains("not a checkpoint to go on from") && says.contains("`force`"),
            "{name}: {says}"
        );
        std::fs::write(&path, whole).unwrap();
    }
    run(place.path(), &NoProgress);
}
