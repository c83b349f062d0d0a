//! What is saved loads back to the same bits.

use crate::reference::{FIXTURES, copy_of, fixture, load};
use dress_core::{CausalLm, StockTarget, parameters};
use dress_models::checkpoint::{SafetensorsDirectory, SaveByParts, save};
use dress_models::{AnyModel, FloatType, LoadConfig, SaveConfig};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// Every tensor's type, shape and bytes.
fn tensors(directory: &Path) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if name.starts_with("model") && name.ends_with(".safetensors") {
            let bytes = std::fs::read(&path).unwrap();
            for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
                let found = (format!("{:?}", view.dtype()), view.shape().to_vec(), view.data().to_vec());
                assert!(all.insert(name, found).is_none());
            }
        }
    }
    all
}

fn saved(model: &AnyModel, config: SaveConfig) -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    save(model, &parent.path().join("out"), &config).unwrap();
    parent
}

#[test]
fn a_checkpoint_saved_as_it_was_loaded_has_the_same_bits_and_shards() {
    for name in FIXTURES {
        let target = StockTarget::Transformers;
        let config = SaveConfig { source: Some(fixture(name)), target, ..SaveConfig::default() };
        let parent = saved(&load(&fixture(name)), config);
        let out = parent.path().join("out");
        assert_eq!(tensors(&out), tensors(&fixture(name)), "{name}");
        let bytes = |directory: &Path| SafetensorsDirectory::open(directory).unwrap().shard_bytes();
        assert_eq!(bytes(&out).is_some(), bytes(&fixture(name)).is_some(), "{name}");
        assert!(bytes(&out) <= bytes(&fixture(name)), "{name}");
    }
}

#[test]
fn a_checkpoint_saved_by_parts_has_the_tensors_of_its_source() {
    for name in FIXTURES {
        let (model, parent) = (load(&fixture(name)), tempfile::tempdir().unwrap());
        let (out, layers, target) =
            (parent.path().join("out"), model.num_layers(), StockTarget::Transformers);
        let config = SaveConfig { source: Some(fixture(name)), target, ..SaveConfig::default() };
        let mut saving = SaveByParts::begin(&model, &out, config, layers + 1).unwrap();
        for part in (0..layers).map(Some).chain([None]) {
            let is_there = |name: &str| parameters::layer_of(name) == part;
            saving.add(&model, &|name| is_there(name).then(|| name.into())).unwrap();
        }
        assert_eq!(saving.finish().unwrap().shards, layers + 1);
        assert_eq!(tensors(&out), tensors(&fixture(name)), "{name}");
    }
}

#[test]
fn every_type_and_sharding_keeps_its_bits_over_a_second_round() {
    let source = load(&fixture("llama3_gqa_tied"));
    for dtype in [FloatType::F32, FloatType::F16, FloatType::Bf16] {
        for max_shard_bytes in [None, Some(1), Some(10_000)] {
            let config = SaveConfig { dtype: Some(dtype), max_shard_bytes, ..SaveConfig::default() };
            let first = saved(&source, config.clone());
            let load_config = LoadConfig { dtype };
            let device = dress_core::burn::tensor::Device::flex();
            let again = AnyModel::load(&first.path().join("out"), &load_config, &device).unwrap();
            let second = saved(&again, config);
            assert_eq!(tensors(&first.path().join("out")), tensors(&second.path().join("out")));
        }
    }
}

#[test]
fn one_tensor_of_another_type_does_not_change_the_type_of_the_result() {
    let half = SaveConfig { dtype: Some(FloatType::Bf16), ..SaveConfig::default() };
    let parent = saved(&load(&fixture("llama2_mha_untied")), half);
    let source = parent.path().join("out");
    let file = source.join("model.safetensors");
    let mut held = tensors(&source);
    let (_, shape, bytes) = held.remove("model.norm.weight").unwrap();
    let wide: Vec<u8> = bytes.chunks_exact(2).flat_map(|half| [0, 0, half[0], half[1]]).collect();
    let buffer = vec![0u8; 4 * 4];
    let views = held
        .iter()
        .map(|(name, (_, shape, bytes))| (name.as_str(), Dtype::BF16, shape.clone(), bytes.as_slice()));
    let views = views.chain([
        ("model.norm.weight", Dtype::F32, shape.clone(), wide.as_slice()),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", Dtype::F32, vec![4], buffer.as_slice()),
    ]);
    let views =
        views.map(|(name, dtype, shape, bytes)| (name, TensorView::new(dtype, shape, bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &file).unwrap();

    let config = SaveConfig { source: Some(source.clone()), ..SaveConfig::default() };
    let again = saved(&load(&source), config);
    let written = tensors(&again.path().join("out"));
    assert!(written.values().all(|(dtype, _, _)| dtype == "BF16"));
    let text = std::fs::read_to_string(again.path().join("out/config.json")).unwrap();
    assert!(
        text.contains(r#""torch_dtype": "bfloat16""#) || text.contains(r#""dtype": "bfloat16""#),
        "{text}"
    );
}

#[test]
fn companions_travel_and_the_config_changes_only_where_it_has_to() {
    let copy = copy_of("llama3_gqa_tied");
    std::fs::write(copy.path().join("tokenizer.json"), "{}").unwrap();
    std::fs::write(copy.path().join("notes.txt"), "mine").unwrap();
    let config = SaveConfig { source: Some(copy.path().into()), ..SaveConfig::default() };
    let parent = saved(&load(copy.path()), config);
    assert!(parent.path().join("out/tokenizer.json").exists());
    assert!(!parent.path().join("out/notes.txt").exists());
    let (written, read) = (config_json(&parent.path().join("out")), config_json(copy.path()));
    for (key, value) in read.as_object().unwrap() {
        assert_eq!(&written[key], value, "{key}");
    }
    let more = written.as_object().unwrap().keys().filter(|key| read.get(key.as_str()).is_none());
    assert_eq!(more.collect::<Vec<_>>(), ["rope_parameters"], "the other spelling");
}

fn config_json(directory: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(directory.join("config.json")).unwrap()).unwrap()
}

#[test]
fn rotary_settings_are_written_in_both_spellings_whichever_the_source_has() {
    for name in ["llama3_gqa_tied", "phi_2"] {
        let copy = copy_of(name);
        for spelling in ["config.json", "config.v5.json"] {
            let text = std::fs::read_to_string(fixture(name).join(spelling)).unwrap();
            std::fs::write(copy.path().join("config.json"), text).unwrap();
            let config = SaveConfig { source: Some(copy.path().into()), ..SaveConfig::default() };
            let parent = saved(&load(copy.path()), config);
            let written = config_json(&parent.path().join("out"));
            let (older, newer) = (&written["rope_scaling"], &written["rope_parameters"]);
            assert_eq!(newer["rope_theta"], written["rope_theta"], "{name} {spelling}");
            assert!(written["rope_theta"].is_number(), "{name} {spelling}");
            match name {
                "phi_2" => assert_eq!(newer["partial_rotary_factor"], written["partial_rotary_factor"]),
                _ => assert_eq!(
                    [&older["factor"], &older["rope_type"]],
                    [&newer["factor"], &newer["rope_type"]]
                ),
            }
        }
    }
}

#[test]
fn nothing_but_the_result_is_left_beside_it() {
    let parent = saved(&load(&fixture("llama2_mha_untied")), SaveConfig::default());
    let names: Vec<_> = std::fs::read_dir(parent.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["out"]);
}
