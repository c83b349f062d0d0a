//! Directories of the model type `nemotron-nas`, as mlx-lm reads them.

use crate::gguf_export::{drawn, example, pieces};
use dress_core::NoProgress;
use dress_models::checkpoint::SaveReport;
use dress_models::gguf::{GgufExportConfig, export_gguf};
use dress_models::{Checkpoint, Error, export_mlx_nas};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn exported(source: &Path, place: &Path) -> Result<SaveReport, Error> {
    export_mlx_nas(&Checkpoint::at(source)?, place, false, &NoProgress)
}

fn config(directory: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(directory.join("config.json")).unwrap()).unwrap()
}

/// Every tensor of a directory's one file: its shape and its bytes.
fn tensors(directory: &Path) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = fs::read(directory.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        (name, (view.shape().to_vec(), view.data().to_vec()))
    };
    file.tensors().into_iter().map(tensor).collect()
}

/// 64 channels, 4 query heads of 16, layers of 512, 256 and 768 neurons.
fn of_layers_that_differ() -> tempfile::TempDir {
    let widths = json!({ "ffn": [512, 256, 768], "heads": [2, 2, 2] });
    let keys = json!({ "dress": widths, "intermediate_size": 768, "tie_word_embeddings": true,
        "rope_theta": 20000.0, "rope_scaling": { "rope_type": "linear", "factor": 2.0 } });
    drawn(keys, &pieces())
}

#[test]
fn every_layer_has_its_neurons_and_every_tensor_its_bytes() {
    let place = of_layers_that_differ();
    let (source, out) = (place.path().join("model"), place.path().join("nas"));
    let report = exported(&source, &out).unwrap();
    let written = config(&out);
    assert_eq!(
        (&written["model_type"], &written["num_attention_heads"]),
        (&json!("nemotron-nas"), &json!(4))
    );
    let blocks = written["block_configs"].as_array().unwrap();
    let multiples: Vec<f64> = blocks.iter().map(|block| block["ffn"]["ffn_mult"].as_f64().unwrap()).collect();
    assert_eq!(multiples, [12.0, 6.0, 18.0], "3 / 2 * neurons / channels");
    assert!(blocks.iter().all(|block| block["attention"]["n_heads_in_group"] == 2));
    // What one number for all layers would say is not there.
    let keys = ["dress", "intermediate_size", "num_key_value_heads"];
    assert!(keys.iter().all(|key| written.get(key).is_none()), "{written}");
    assert_eq!((&written["rope_theta"], &written["tie_word_embeddings"]), (&json!(20000.0), &json!(true)));
    // mlx-lm reads the one, and transformers, which reads the tokenizer, passes over the other.
    assert_eq!(written["rope_scaling"], json!({ "factor": 2.0, "rope_type": "default", "type": "linear" }));
    assert!(written.get("rope_parameters").is_none(), "{written}");
    assert_eq!(tensors(&out), tensors(&source));
    let bytes: usize = tensors(&out).values().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(report, SaveReport { bytes: bytes as u64, shards: 1 });
    assert!(out.join("tokenizer.json").exists());
    assert!(matches!(Checkpoint::at(&out), Err(Error::ModelType { .. })), "mlx-lm's alone");
}

#[test]
fn a_file_that_is_not_streamed_makes_the_same_directory() {
    let place = of_layers_that_differ();
    let [source, file, out, direct] =
        ["model", "model.gguf", "nas", "direct"].map(|name| place.path().join(name));
    export_gguf(&Checkpoint::at(&source).unwrap(), &file, &GgufExportConfig::default(), &NoProgress).unwrap();
    exported(&file, &out).unwrap();
    exported(&source, &direct).unwrap();
    assert_eq!(config(&out)["block_configs"], config(&direct)["block_configs"]);
    assert_eq!(tensors(&out), tensors(&direct));
}

#[test]
fn sizes_and_families_that_mlx_has_not_are_refused_and_nothing_is_left() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("nas");
    let refused = |source: &Path, says: &str| {
        let message = exported(source, &out).unwrap_err().to_string();
        assert!(message.contains("cannot be exported") && message.contains(says), "{message}");
    };
    refused(&example("phi2-kjv"), "the layers of LLaMA alone");
    let odd = drawn(json!({ "intermediate_size": 300 }), &pieces());
    refused(&odd.path().join("model"), "layer 0 has 300 (nearest: 256 or 512), layer 1 has 300");
    let narrow = drawn(json!({ "hidden_size": 48, "intermediate_size": 256 }), &pieces());
    refused(&narrow.path().join("model"), "32 channels with 2 query heads and 64 channels with 4");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left behind");
}
