//! A change of basis, and slicing in memory and from file to file.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Ceiling, Shape, forward_macs, resized, scattered, tokens};
use dress_core::burn::tensor::Device;
use dress_core::{Axis, Calibration, CausalLm, NoProgress, parameters};
use dress_importance::Criterion as Score;
use dress_models::checkpoint::{RewriteConfig, rewrite, save};
use dress_models::{AnyModel, SaveConfig};
use dress_prune::{rotate_tied, rotate_to_principal_components};
use std::cell::LazyCell;
use std::fs::{self, File};
use std::path::Path;

const SEQ: usize = 512;
const BLOCKS: usize = 2;

/// Principal components of the stream, and the model in them. Counted are the forward pass and the turning of
/// every matrix, not the covariances and their decomposition.
pub fn basis(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let mut ceiling = Shape::SmolLm2.product(&device, SEQ);
    let ids = tokens(BLOCKS, SEQ, model.vocab_size());
    let forward = forward_macs(&model, BLOCKS, SEQ);
    let width = model.coupling().axis(Axis::Residual).expect("every model here has it").len as u64;
    let amount = |turned: &AnyModel| {
        let work = forward + parameters::count(turned) * width;
        (Throughput::Elements((BLOCKS * SEQ) as u64), work as f64)
    };
    let mut group = Beside::new(criterion, "basis");
    let dense = || model.clone();
    group.measure("pca", amount(&model.clone().untied()), &mut ceiling, dense, |model| {
        rotate_to_principal_components(model, &ids, &NoProgress).expect("the model can be rotated").model
    });
    group.measure("pca-tied", amount(&model), &mut ceiling, dense, |model| {
        rotate_tied(model, &ids, &NoProgress).expect("the model can be rotated").model
    });
}

/// Weights of SmolLM2's shape, and one layer of LLaMA-3-8B's, scored, permuted and sliced in memory.
pub fn weights(criterion: &mut Criterion) {
    let device = Device::flex();
    let (mut copy, mut read) = (Ceiling::copy(), Ceiling::read(&device));
    let mut group = Beside::new(criterion, "weights");
    for shape in [Shape::SmolLm2, Shape::Llama3Layer] {
        let model = shape.model(&device);
        let selection = scattered(&model, 25);
        let all = bytes(&model);
        let kept = bytes(&resized(&model, &selection));
        let id = |what: &str| format!("{}/{what}", shape.name());
        let dense = || model.clone();
        // What stays is read and written.
        let sliced = (Throughput::Bytes(all), 2.0 * kept as f64);
        group.measure(&id("slice-25%"), sliced, &mut copy, dense, |model| {
            dress_prune::slice(model, &selection).expect("the shape is legal")
        });
        let permuted = (Throughput::Bytes(all), 2.0 * all as f64);
        group.measure(&id("permute"), permuted, &mut copy, dense, |model| {
            dress_prune::permute(model, &selection).expect("the axes exist")
        });
        let scorer = Score::MagnitudeL2.scorer(0);
        let none = Calibration::default();
        let scored = (Throughput::Bytes(all), all as f64);
        let score =
            |()| scorer.score(&model, &none, &[Axis::Residual], &NoProgress).expect("the axis exists");
        group.measure(&id("magnitude-l2"), scored, &mut read, || (), score);
    }
}

/// From file to file, beside the operating system's copy of as large a file as the result.
pub fn streaming(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let selection = scattered(&model, 25);
    let edits = dress_prune::edits(&model, &selection).expect("the axes exist");
    let resized = resized(&model, &selection);
    let place = tempfile::tempdir().expect("there is a place for temporary files");
    let [source, smaller, original, copy] =
        ["source", "smaller", "original", "copy"].map(|name| place.path().join(name));
    let saved = LazyCell::new(|| {
        save(&model, &source, &SaveConfig::default()).expect("there is room for a checkpoint");
        source.as_path()
    });
    let kept = bytes(&resized);
    let mut ceiling = Ceiling::of("a copy of as large a file", kept as f64, || {
        if !original.exists() {
            save(&resized, &original, &SaveConfig::default()).expect("there is room for a checkpoint");
        }
        drop(fs::remove_file(&copy));
        copy_and_sync(&original.join("model.safetensors"), &copy);
    });
    let mut group = Beside::new(criterion, "streaming");
    let cleared = || {
        drop(fs::remove_dir_all(&smaller));
        *saved
    };
    group.measure("slice-25%", (Throughput::Bytes(kept), kept as f64), &mut ceiling, cleared, |source| {
        let places = [source, smaller.as_path()];
        rewrite(&model, &resized, &edits, places, &RewriteConfig::default(), &NoProgress)
            .expect("there is room for a smaller checkpoint")
    });
}

/// A copy that is on the disk when this returns, as a checkpoint is.
fn copy_and_sync(from: &Path, to: &Path) {
    let on_disk = fs::copy(from, to).and_then(|_| File::open(to)?.sync_all());
    on_disk.expect("there is room for a copy");
}

fn bytes(model: &AnyModel) -> u64 {
    size_of::<f32>() as u64 * parameters::count(model)
}
