//! Damaged checkpoints are refused with words that name file, tensor and remedy.

use crate::altered::said;
use crate::reference::{copy_of, fixture, load};
use dress_core::burn::tensor::Device;
use dress_models::checkpoint::save;
use dress_models::{AnyModel, FloatType, LoadConfig, SaveConfig};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use std::fs;
use std::path::Path;

fn message(directory: &Path) -> String {
    said(&AnyModel::load(directory, &LoadConfig::default(), &Device::flex()).unwrap_err())
}

fn assert_says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
}

/// Rewrites a fixture's only weights file, with `change` made to each tensor.
fn rewrite(directory: &Path, change: impl Fn(&str, &mut Vec<usize>, &mut Vec<u8>) -> bool) {
    let path = directory.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        if change(&name, &mut shape, &mut data) {
            tensors.push((name, view.dtype(), shape, data));
        }
    }
    let views = tensors
        .iter()
        .map(|(n, dtype, shape, data)| (n, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, &path).unwrap();
}

#[test]
fn truncated_header_is_an_error() {
    let copy = copy_of("llama2_mha_untied");
    let path = copy.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    for keep in [0, 4, 100] {
        fs::write(&path, &bytes[..keep]).unwrap();
        assert_says(
            &message(copy.path()),
            &["model.safetensors", "truncated or corrupt", "download it again"],
        );
    }
}

#[test]
fn truncated_weights_are_an_error() {
    let copy = copy_of("llama2_mha_untied");
    let path = copy.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_says(&message(copy.path()), &["model.safetensors", "download it again"]);
}

#[test]
fn corrupt_header_is_an_error() {
    let copy = copy_of("llama2_mha_untied");
    let path = copy.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = b'?';
    fs::write(&path, &bytes).unwrap();
    assert_says(&message(copy.path()), &["model.safetensors", "corrupt"]);
    bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert_says(&message(copy.path()), &["model.safetensors", "corrupt"]);
}

#[test]
fn missing_shard_is_an_error() {
    let copy = copy_of("llama_biases_sharded");
    let shard = "model-00002-of-00004.safetensors";
    fs::remove_file(copy.path().join(shard)).unwrap();
    assert_says(&message(copy.path()), &[shard, "is missing", "tensors in it", "download it"]);
}

#[test]
fn an_index_that_points_outside_its_directory_is_an_error() {
    let copy = copy_of("llama_biases_sharded");
    let path = copy.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&path).unwrap().replace("model-00001-of", "../model-00001-of");
    fs::write(&path, text).unwrap();
    assert_says(&message(copy.path()), &["index.json", "../model-00001-of-00004", "plain file name"]);
}

#[test]
fn wrong_shape_is_an_error() {
    let copy = copy_of("llama2_mha_untied");
    let text = fs::read_to_string(copy.path().join("config.json")).unwrap();
    fs::write(
        copy.path().join("config.json"),
        text.replace("\"intermediate_size\": 48", "\"intermediate_size\": 64"),
    )
    .unwrap();
    let said = message(copy.path());
    assert_says(
        &said,
        &["model.safetensors", "mlp.gate_proj.weight", "expected [64, 32], found [48, 32]", "config.json"],
    );
}

#[test]
fn missing_tensors_are_listed() {
    let copy = copy_of("llama2_mha_untied");
    rewrite(copy.path(), |name, _, _| name != "model.norm.weight");
    assert_says(&message(copy.path()), &["missing: model.norm.weight"]);
    rewrite(copy.path(), |name, _, _| name != "model.norm.weight" && !name.contains("layers.0"));
    let fewer = message(copy.path());
    assert_says(&fewer, &["missing: model.layers.0", "model.norm.weight"]);
}

#[test]
fn nan_weights_are_an_error() {
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let copy = copy_of("llama2_mha_untied");
        rewrite(copy.path(), |tensor, _, data| {
            if tensor == "model.layers.1.mlp.up_proj.weight" {
                data[4 * 77..4 * 78].copy_from_slice(&value.to_le_bytes());
            }
            true
        });
        let said = message(copy.path());
        assert_says(
            &said,
            &["model.safetensors", "model.layers.1.mlp.up_proj.weight", &format!("number 77 is {name}")],
        );
    }
}

#[test]
fn a_number_that_overflows_the_chosen_type_is_an_error() {
    let copy = copy_of("llama2_mha_untied");
    rewrite(copy.path(), |tensor, _, data| {
        if tensor == "model.norm.weight" {
            data[..4].copy_from_slice(&1e6f32.to_le_bytes());
        }
        true
    });
    let half = LoadConfig { dtype: FloatType::F16 };
    let said = AnyModel::load(copy.path(), &half, &Device::flex()).unwrap_err().to_string();
    assert_says(&said, &["model.norm.weight", "number 0 is 1000000", "half precision"]);
}

#[test]
fn unknown_model_type_is_an_error() {
    let copy = copy_of("llama2_mha_untied");
    let text = fs::read_to_string(copy.path().join("config.json")).unwrap();
    fs::write(copy.path().join("config.json"), text.replace("\"llama\"", "\"mamba\"")).unwrap();
    assert_says(&message(copy.path()), &["config.json", "`mamba` is not supported", "llama"]);
}

#[test]
fn a_directory_without_config_or_weights_is_an_error() {
    let empty = tempfile::tempdir().unwrap();
    assert_says(&message(empty.path()), &["config.json", "no such file"]);
    fs::copy(fixture("llama2_mha_untied").join("config.json"), empty.path().join("config.json")).unwrap();
    assert_says(&message(empty.path()), &["no model.safetensors", "download the weights"]);
}

#[test]
fn an_output_directory_that_exists_is_an_error_and_stays_as_it_was() {
    let parent = tempfile::tempdir().unwrap();
    let out = parent.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("precious"), "data").unwrap();
    let model = load(&fixture("llama2_mha_untied"));
    let said = save(&model, &out, &SaveConfig::default()).unwrap_err().to_string();
    assert_says(&said, &["out", "already exists", "`force`"]);
    assert_eq!(fs::read_to_string(out.join("precious")).unwrap(), "data");
    let force = SaveConfig { force: true, ..SaveConfig::default() };
    let said = save(&model, &out, &force).unwrap_err().to_string();
    assert_says(&said, &["out", "`precious`", "no part of a checkpoint"]);
    assert_eq!(fs::read_to_string(out.join("precious")).unwrap(), "data");

    fs::remove_file(out.join("precious")).unwrap();
    save(&model, &out, &SaveConfig::default()).unwrap();
    save(&model, &out, &force).unwrap();
    assert!(out.join("model.safetensors").exists(), "an empty directory is filled, a checkpoint replaced");
}
