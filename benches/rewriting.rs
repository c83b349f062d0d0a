//! A change of basis, and slicing in memory and from file to file.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Ceiling, Shape, narrower, tokens};
use dress_core::burn::tensor::Device;
use dress_core::{Axis, CausalLm, NoProgress, parameters};
use dress_eval::Size;
use dress_importance::Criterion as Score;
use dress_models::checkpoint::{RewriteConfig, rewrite, save};
use dress_models::{AnyModel, SaveConfig};
use dress_prune::{rotate_tied, rotate_to_principal_components};
use std::fs;
use std::path::Path;

const SEQ: usize = 512;
const BLOCKS: usize = 2;

/// Principal components of the stream and the model in them: a forward pass, the covariances, a decomposition and
/// products with every matrix.
pub fn basis(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let [width, neurons] = Shape::SmolLm2.widths();
    let ceiling = Ceiling::product(&device, [SEQ, width, neurons]);
    let ids = tokens(BLOCKS, SEQ, model.vocab_size());
    let forward = (BLOCKS * SEQ) as u64 * Size::of(&model).macs_at(SEQ / 2);
    // Every parameter meets the basis once.
    let turned = parameters::count(&model) * width as u64;
    let amount = (Throughput::Elements((BLOCKS * SEQ) as u64), (forward + turned) as f64);
    let mut group = Beside::new(criterion, "basis");
    let dense = || model.clone();
    group.measure("pca", amount, &ceiling, dense, |model| {
        rotate_to_principal_components(model, &ids, &NoProgress).expect("the model can be rotated").model
    });
    group.measure("pca-tied", amount, &ceiling, dense, |model| {
        rotate_tied(model, &ids, &NoProgress).expect("the model can be rotated").model
    });
}

/// Weights of SmolLM2's shape, and one block of LLaMA-3-8B's, scored, permuted and sliced in memory.
pub fn weights(criterion: &mut Criterion) {
    let device = Device::flex();
    let ceiling = Ceiling::copy();
    let mut group = Beside::new(criterion, "weights");
    for shape in [Shape::SmolLm2, Shape::Llama3Block] {
        let model = shape.model(&device);
        let selection = narrower(&model, 25);
        let kept = bytes(&dress_prune::slice(model.clone(), &selection).expect("the shape is legal"));
        let all = bytes(&model);
        let id = |what: &str| format!("{}/{what}", shape.name());
        let dense = || model.clone();
        group.measure(
            &id("slice-25%"),
            (Throughput::Bytes(all), 2.0 * kept as f64),
            &ceiling,
            dense,
            |model| dress_prune::slice(model, &selection).expect("the shape is legal"),
        );
        group.measure(&id("permute"), (Throughput::Bytes(all), 2.0 * all as f64), &ceiling, dense, |model| {
            dress_prune::permute(model, &selection).expect("the axes exist")
        });
        let scorer = Score::MagnitudeL2.scorer(0);
        let none = dress_core::Calibration::default();
        group.measure(
            &id("magnitude-l2"),
            (Throughput::Bytes(all), all as f64),
            &ceiling,
            || (),
            |()| {
                scorer.score(&model, &none, &[Axis::Residual], &NoProgress).expect("every model has the axis")
            },
        );
    }
}

/// From file to file, beside the operating system's copy of the same files.
pub fn streaming(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let selection = narrower(&model, 25);
    let edits = dress_prune::edits(&model, &selection).expect("the axes exist");
    let resized = model.clone().resized(&selection).expect("the shape is legal");
    let place = tempfile::tempdir().expect("there is a place for temporary files");
    let [source, smaller, copy] = ["source", "smaller", "copy"].map(|name| place.path().join(name));
    save(&model, &source, &SaveConfig::default()).expect("there is room for a checkpoint");
    let all = bytes(&model);
    let ceiling = Ceiling::of("a copy of the same files", all as f64, || {
        copy_and_sync(&source.join("model.safetensors"), &copy);
    });
    let mut group = Beside::new(criterion, "streaming");
    let cleared = || drop(fs::remove_dir_all(&smaller));
    group.measure("slice-25%", (Throughput::Bytes(all), all as f64), &ceiling, cleared, |()| {
        let places = [source.as_path(), smaller.as_path()];
        rewrite(&model, &resized, &edits, places, &RewriteConfig::default(), &NoProgress)
            .expect("there is room for a smaller checkpoint")
    });
}

/// A copy that is on the disk when this returns, as a checkpoint is.
fn copy_and_sync(from: &Path, to: &Path) {
    let on_disk = fs::copy(from, to).and_then(|_| fs::File::open(to)?.sync_all());
    on_disk.expect("there is room for a copy");
}

fn bytes(model: &AnyModel) -> u64 {
    size_of::<f32>() as u64 * parameters::count(model)
}
