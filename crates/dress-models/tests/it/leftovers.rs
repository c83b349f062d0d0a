//! Which files are read, and which of their tensors.

use crate::altered::{altered, edit_config, read, renamed, write};
use crate::parity::assert_parity;
use crate::reference::{Reference, copy_of, fixture, load};
use dress_core::Fingerprint;
use dress_core::burn::tensor::Device;
use dress_models::{AnyModel, LoadConfig};
use safetensors::Dtype;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const SHARDED: &str = "llama_biases_sharded";

fn message(directory: &Path) -> String {
    AnyModel::load(directory, &LoadConfig::default(), &Device::flex()).unwrap_err().to_string()
}

fn edit_index(directory: &Path, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = directory.join("model.safetensors.index.json");
    let mut index: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    edit(index["weight_map"].as_object_mut().unwrap());
    fs::write(path, index.to_string()).unwrap();
}

#[test]
fn a_whole_file_goes_before_an_index_with_or_without_its_shards() {
    let copy = copy_of(SHARDED);
    let mut whole = std::collections::BTreeMap::new();
    for entry in fs::read_dir(copy.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("model-") {
            whole.extend(read(&path));
        }
    }
    // What the shards hold is out of date.
    let (dtype, shape, bytes) = whole["model.norm.weight"].clone();
    whole.insert("model.norm.weight".into(), (dtype, shape, bytes.iter().map(|_| 0).collect()));
    write(&whole, &copy.path().join("model.safetensors"));
    let with_shards = Fingerprint::of(&load(copy.path()));
    assert_ne!(with_shards, Fingerprint::of(&load(&fixture(SHARDED))));
    for number in 1..=4 {
        fs::remove_file(copy.path().join(format!("model-0000{number}-of-00004.safetensors"))).unwrap();
    }
    assert_eq!(Fingerprint::of(&load(copy.path())), with_shards);
}

#[test]
fn a_whole_pytorch_file_goes_before_an_index() {
    let copy = copy_of("bin_without_prefix");
    fs::write(copy.path().join("pytorch_model.bin.index.json"), "{}").unwrap();
    let expected = Fingerprint::of(&load(&fixture("bin_without_prefix")));
    assert_eq!(Fingerprint::of(&load(copy.path())), expected);
}

#[test]
fn an_index_and_its_shards_may_differ_on_what_the_model_does_not_need() {
    let copy = copy_of(SHARDED);
    let shard = "model-00002-of-00004.safetensors";
    let mut held = read(&copy.path().join(shard));
    held.insert("model.rotary_emb.inv_freq".into(), (Dtype::F32, vec![1], vec![0; 4]));
    held.insert("adapter.scale".into(), (Dtype::F32, vec![1], vec![0; 4]));
    write(&held, &copy.path().join(shard));
    edit_index(copy.path(), |map| {
        let unlisted = map.remove("model.norm.weight");
        assert!(unlisted.is_some());
        map.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), json!(shard));
        map.insert("model.ghost".into(), json!(shard));
        // Placed in another file than the one that holds it.
        map.insert("model.embed_tokens.weight".into(), json!("model-00004-of-00004.safetensors"));
    });
    assert_parity(copy.path(), &Reference::read(&copy.path().join("reference.safetensors")));
}

#[test]
fn a_parameter_that_the_index_places_where_it_is_not_is_an_error() {
    let copy = copy_of(SHARDED);
    let shard = (1..=4)
        .map(|number| copy.path().join(format!("model-0000{number}-of-00004.safetensors")))
        .find(|path| read(path).contains_key("model.norm.weight"))
        .unwrap();
    let mut held = read(&shard);
    held.remove("model.norm.weight");
    write(&held, &shard);
    let said = message(copy.path());
    for part in ["index.json", "model.norm.weight (indexed in model-0000", "not there"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_tensor_in_two_shards_has_to_be_the_same_in_both() {
    let copy = copy_of(SHARDED);
    let paths: Vec<_> =
        (1..=4).map(|n| copy.path().join(format!("model-0000{n}-of-00004.safetensors"))).collect();
    let from = paths.iter().find(|path| read(path).contains_key("model.norm.weight")).unwrap();
    let to = paths.iter().find(|path| *path != from).unwrap();
    let (dtype, shape, bytes) = read(from).remove("model.norm.weight").unwrap();
    let mut held = read(to);
    held.insert("model.norm.weight".into(), (dtype, shape.clone(), bytes.clone()));
    write(&held, to);
    assert_eq!(Fingerprint::of(&load(copy.path())), Fingerprint::of(&load(&fixture(SHARDED))));
    held.insert("model.norm.weight".into(), (dtype, shape, bytes.iter().map(|_| 1).collect()));
    write(&held, to);
    let said = message(copy.path());
    assert!(said.contains("model.norm.weight") && said.contains("other numbers"), "{said}");
}

#[test]
fn tensors_that_the_model_does_not_have_do_not_stop_the_work() {
    let copy = altered("llama2_mha_untied", |tensors| {
        let scalar = || (Dtype::F32, vec![1], vec![0; 4]);
        for name in [
            "model.layers.0.self_attn.rotary_emb.inv_freq",
            "model.layers.0.self_attn.rotary_emb.cos_cached",
            "decoder.version",
            "model.layers.0.self_attn.q_proj.lora_A.weight",
            "value_head.weight",
            "model.layers.0.mlp.up_proj.weight_scale",
        ] {
            tensors.insert(name.into(), scalar());
        }
    });
    assert_parity(copy.path(), &Reference::read(&copy.path().join("reference.safetensors")));
    // Layers beyond those of the configuration are left out, as in transformers.
    edit_config(copy.path(), "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    load(copy.path());
}

#[test]
fn a_name_may_lack_its_prefix_or_have_it_twice() {
    for name in ["llama3_gqa_tied", "opt_pre_norm", "phi_2"] {
        let expected = Reference::read(&fixture(name).join("reference.safetensors"));
        let bare = altered(name, |tensors| renamed(tensors, |name| name.replacen("model.", "", 1)));
        assert_parity(bare.path(), &expected);
        let twice = altered(name, |tensors| renamed(tensors, |name| format!("model.{name}")));
        assert_parity(twice.path(), &expected);
    }
}

#[test]
fn two_names_of_one_parameter_have_to_hold_the_same() {
    for other in ["norm.weight", "model.model.norm.weight"] {
        let same = altered("llama2_mha_untied", |tensors| {
            let norm = tensors["model.norm.weight"].clone();
            tensors.insert(other.into(), norm);
        });
        assert_eq!(
            Fingerprint::of(&load(same.path())),
            Fingerprint::of(&load(&fixture("llama2_mha_untied")))
        );
        let differs = altered("llama2_mha_untied", |tensors| {
            let (dtype, shape, bytes) = tensors["model.norm.weight"].clone();
            tensors.insert(other.into(), (dtype, shape, bytes.iter().map(|_| 0).collect()));
        });
        let said = message(differs.path());
        assert!(said.contains(other) && said.contains("are both model.norm.weight"), "{said}");
    }
}
