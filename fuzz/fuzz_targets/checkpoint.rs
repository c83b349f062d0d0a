//! A checkpoint's directory: `config.json`, a zero byte, `model.safetensors`. It is loaded whole or refused,
//! and the index of its parameters is the files'.
#![no_main]

use dress_core::burn::tensor::Device;
use dress_models::{AnyModel, LoadConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(at) = input.iter().position(|&byte| byte == 0) else { return };
    let directory = std::env::temp_dir().join(format!("dress-fuzz-checkpoint-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("config.json"), &input[..at]).unwrap();
    std::fs::write(directory.join("model.safetensors"), &input[at + 1..]).unwrap();
    if let Err(error) = AnyModel::load(&directory, &LoadConfig::default(), &Device::flex()) {
        assert!(!error.to_string().is_empty());
    }
});
