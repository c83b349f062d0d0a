//! Loading, saving and tokenizing.

use criterion::{Criterion, Throughput};
use dress_benches::{Beside, Ceiling, Shape};
use dress_core::burn::tensor::Device;
use dress_core::parameters;
use dress_data::Tokenizer;
use dress_models::checkpoint::save;
use dress_models::{AnyModel, LoadConfig, SaveConfig};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// A checkpoint of SmolLM2's shape, beside reading and writing as many plain bytes.
pub fn checkpoint(criterion: &mut Criterion) {
    let device = Device::flex();
    let model = Shape::SmolLm2.model(&device);
    let place = tempfile::tempdir().expect("there is a place for temporary files");
    let [directory, again, plain] = ["model", "again", "plain"].map(|name| place.path().join(name));
    save(&model, &directory, &SaveConfig::default()).expect("there is room for a checkpoint");
    let file = directory.join("model.safetensors");
    let bytes = size_of::<f32>() as u64 * parameters::count(&model);
    let amount = (Throughput::Bytes(bytes), bytes as f64);
    let mut group = Beside::new(criterion, "checkpoint");
    let read = Ceiling::of("reading the file", bytes as f64, || fs::read(&file).expect("it was saved"));
    group.measure(
        "load",
        amount,
        &read,
        || (),
        |()| AnyModel::load(&directory, &LoadConfig::default(), &device).expect("it was saved"),
    );
    let content = fs::read(&file).expect("it was saved");
    let write = Ceiling::of("writing the file", bytes as f64, || write_and_sync(&plain, &content));
    let cleared = || drop(fs::remove_dir_all(&again));
    group.measure("save", amount, &write, cleared, |()| {
        save(&model, &again, &SaveConfig::default()).expect("there is room for a checkpoint")
    });
}

/// Written so that it is on the disk when this returns, as a checkpoint is.
fn write_and_sync(path: &Path, content: &[u8]) {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.expect("there is room for a file");
}

/// A text of a megabyte with the small models' tokenizer, beside reading the text.
pub fn tokenization(criterion: &mut Criterion) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models");
    let tokenizer = Tokenizer::from_directory(&models.join("llama3-kjv")).expect("it is in the repository");
    let text = fs::read_to_string(models.join("kjv/calibration.txt")).expect("it is in the repository");
    let bytes = text.len() as u64;
    let copy = Ceiling::of("a copy of the text", bytes as f64, || text.clone());
    let mut group = Beside::new(criterion, "tokenize");
    group.measure(
        "kjv",
        (Throughput::Bytes(bytes), bytes as f64),
        &copy,
        || (),
        |()| tokenizer.encode(&text, true).expect("the text can be tokenized"),
    );
}
