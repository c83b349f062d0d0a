//! Checkpoints that are refused with their one cause and its cure.

use crate::altered::{Tensors, altered, renamed, said};
use crate::reference::{copy_of, fixture};
use dress_core::burn::tensor::Device;
use dress_models::checkpoint::save;
use dress_models::{AnyModel, FloatType, LoadConfig, SaveConfig};
use safetensors::Dtype;
use std::fs;
use std::path::Path;

const LLAMA: &str = "llama2_mha_untied";
const PROJECTION: &str = "model.layers.0.mlp.up_proj";

fn message(path: &Path) -> String {
    said(&AnyModel::load(path, &LoadConfig::default(), &Device::flex()).unwrap_err())
}

fn assert_says(message: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
    assert!(message.len() < 700, "{} characters: {message}", message.len());
}

fn said_of(change: impl FnOnce(&mut Tensors)) -> String {
    message(altered(LLAMA, change).path())
}

#[test]
fn what_a_wrapper_leaves_in_the_names_is_named_with_the_wrapper() {
    for (prefix, writer) in [
        ("_orig_mod.", "torch.compile"),
        ("module.", "DataParallel"),
        ("base_model.model.", "PEFT"),
        ("transformer.", "transformer."),
        ("_forward_module.", "Fabric"),
    ] {
        let said = said_of(|tensors| renamed(tensors, |name| format!("{prefix}{name}")));
        assert_says(&said, &[&format!("`{prefix}`"), writer, "take"]);
    }
    let within = |name: &str| name.replace(".mlp.", "._fsdp_wrapped_module.mlp.");
    assert_says(&said_of(|tensors| renamed(tensors, within)), &["_fsdp_wrapped_module.", "FullySharded"]);
}

#[test]
fn quantized_weights_are_named_with_what_wrote_them() {
    let codes = || (Dtype::U8, vec![4], vec![0; 4]);
    for (ending, writer) in [
        ("weight.absmax", "bitsandbytes, 4 bits"),
        ("SCB", "bitsandbytes, 8 bits"),
        ("weight_scale_inv", "FP8"),
    ] {
        let said = said_of(|tensors| {
            tensors.insert(format!("{PROJECTION}.weight"), codes());
            tensors.insert(format!("{PROJECTION}.{ending}"), codes());
        });
        assert_says(&said, &[writer, ending, "dequantize"]);
    }
    for ending in ["qweight", "weight_packed", "W_q"] {
        let said = said_of(|tensors| {
            tensors.remove(&format!("{PROJECTION}.weight"));
            tensors.insert(format!("{PROJECTION}.{ending}"), codes());
        });
        assert_says(&said, &[ending, "quantized by"]);
    }
}

#[test]
fn an_adapter_that_is_not_merged_is_an_error() {
    let said = said_of(|tensors| {
        let base = tensors.remove(&format!("{PROJECTION}.weight")).unwrap();
        tensors.insert(format!("{PROJECTION}.base_layer.weight"), base);
    });
    assert_says(&said, &["PEFT", "merge_and_unload"]);
    let alone = tempfile::tempdir().unwrap();
    fs::write(alone.path().join("adapter_config.json"), "{}").unwrap();
    assert_says(&message(alone.path()), &["adapter_config.json", "merge_and_unload"]);
    let beside = copy_of("llama2_mha_untied");
    fs::write(beside.path().join("adapter_config.json"), "{}").unwrap();
    assert_says(
        &message(beside.path()),
        &["beside a whole model", "merge_and_unload", "move adapter_config.json"],
    );
}

#[test]
fn a_training_run_s_dictionary_is_an_error_that_names_the_key() {
    assert_says(&message(&fixture("bin_nested")), &["`state_dict`", "torch.save"]);
}

#[test]
fn a_pointer_of_git_lfs_is_told_from_a_damaged_file() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1575192\n";
    for (fixture, file) in [
        (LLAMA, "model.safetensors"),
        (LLAMA, "config.json"),
        ("bin_without_prefix", "pytorch_model.bin"),
        ("llama_biases_sharded", "model-00003-of-00004.safetensors"),
        ("llama_biases_sharded", "model.safetensors.index.json"),
    ] {
        let copy = copy_of(fixture);
        fs::write(copy.path().join(file), pointer).unwrap();
        assert_says(&message(copy.path()), &[file, "Git LFS pointer", "git lfs pull"]);
    }
    let directory = tempfile::tempdir().unwrap();
    let gguf = directory.path().join("model.gguf");
    fs::write(&gguf, pointer).unwrap();
    assert_says(&message(&gguf), &["model.gguf", "Git LFS pointer"]);
}

#[test]
fn a_sound_number_that_half_precision_cannot_hold_is_not_called_damage() {
    let copy = altered(LLAMA, |tensors| {
        let (_, shape, bytes) = tensors["model.norm.weight"].clone();
        let mut halves: Vec<u8> = bytes.chunks_exact(4).flat_map(|x| [x[2], x[3]]).collect();
        halves[2..4].copy_from_slice(&0x4789u16.to_le_bytes());
        tensors.insert("model.norm.weight".into(), (Dtype::BF16, shape, halves));
    });
    let load = |dtype| AnyModel::load(copy.path(), &LoadConfig { dtype }, &Device::flex());
    let said = load(FloatType::F16).unwrap_err().to_string();
    assert_says(
        &said,
        &["model.norm.weight", "number 1 is 70144", "the file is sound", "`dtype = bf16` or `dtype = f32`"],
    );
    load(FloatType::Bf16).unwrap();

    let model = load(FloatType::F32).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let config = SaveConfig { dtype: Some(FloatType::F16), ..SaveConfig::default() };
    let said = save(&model, &parent.path().join("out"), &config).unwrap_err().to_string();
    assert_says(&said, &["model.norm.weight: number 1 becomes inf", "f16 cannot hold"]);
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn long_lists_are_cut_at_ten_names() {
    let said = said_of(|tensors| tensors.retain(|name, _| !name.contains("layers.")));
    assert_says(&said, &["missing: model.layers.0", "and 8 more"]);
}

#[test]
fn a_weights_file_that_the_config_names_is_refused_by_its_key() {
    let copy = copy_of(LLAMA);
    let path = copy.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen('{', "{\"transformers_weights\": \"other.safetensors\",", 1)).unwrap();
    assert_says(&message(copy.path()), &["transformers_weights", "other.safetensors", "rename"]);
}

#[test]
fn a_part_of_a_split_gguf_file_is_an_error_that_says_so() {
    let bytes = fs::read(fixture("llama2.gguf")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (part, count, split) in [(0u16, 2u16, true), (1, 2, true), (0, 1, false)] {
        let path = directory.path().join("part.gguf");
        fs::write(&path, with_split_keys(&bytes, part, count)).unwrap();
        match AnyModel::load(&path, &LoadConfig::default(), &Device::flex()) {
            Ok(_) => assert!(!split),
            Err(error) => {
                let part = format!("part {} of {count}", part + 1);
                assert_says(&error.to_string(), &["part.gguf", &part, "llama-gguf-split --merge"]);
            }
        }
    }
}

/// A GGUF file with the keys of a split one before its own, and padding so that its tensors stay aligned.
fn with_split_keys(file: &[u8], part: u16, count: u16) -> Vec<u8> {
    let mut keys = Vec::new();
    for (key, value) in [("split.no", part), ("split.count", count)] {
        keys.extend((key.len() as u64).to_le_bytes());
        keys.extend(key.as_bytes());
        keys.extend(2u32.to_le_bytes());
        keys.extend(value.to_le_bytes());
    }
    // A text whose key and length take 8 + 1 + 4 + 8 bytes fills up to the alignment.
    let filler = (keys.len() + 21).next_multiple_of(32) - keys.len() - 21;
    keys.extend(1u64.to_le_bytes());
    keys.extend(b"f");
    keys.extend(8u32.to_le_bytes());
    keys.extend((filler as u64).to_le_bytes());
    keys.extend(vec![b' '; filler]);
    let entries = u64::from_le_bytes(file[16..24].try_into().unwrap()) + 3;
    [&file[..16], &entries.to_le_bytes(), &keys, &file[24..]].concat()
}
