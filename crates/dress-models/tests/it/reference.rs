//! Fixtures and what `transformers` computed of them.

use dress_core::burn::tensor::Device;
use dress_models::{AnyModel, LoadConfig};
use safetensors::SafeTensors;
use std::io::Write;
use std::path::{Path, PathBuf};

pub const FIXTURES: [&str; 38] = [
    "llama2_mha_untied",
    "llama3_gqa_tied",
    "llama_biases_sharded",
    "mistral_window",
    "mistral_wide_heads",
    "mistral_tied_linear",
    "qwen2_tied",
    "qwen2_windows",
    "qwen2_wide_heads",
    "qwen3_tied",
    "qwen3_biases",
    "qwen3_layer_types",
    "phi3_plain",
    "phi3_long_rope",
    "phi3_window",
    "smollm3_tied",
    "smollm3_list",
    "smollm3_biases",
    "granite_tied",
    "granite_plain",
    "granite_biases",
    "olmo2_plain",
    "olmo2_groups",
    "olmo2_biases",
    "gemma2_tied",
    "gemma2_caps",
    "gemma2_biases",
    "gemma3_tied",
    "gemma3_linear",
    "gemma3_list",
    "gpt_neox_parallel",
    "gpt_neox_sequential",
    "gpt_neox_no_biases",
    "opt_pre_norm",
    "opt_untied_gelu",
    "opt_350m_layout",
    "phi_2",
    "phi_gqa_half_rotary",
];

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn load(directory: &Path) -> AnyModel {
    AnyModel::load(directory, &LoadConfig::default(), &Device::flex()).unwrap()
}

/// A copy of a fixture that a test may damage.
pub fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// Says that a test did nothing for want of something, past what the harness captures. `.ci/run` fails where
/// it is there.
pub fn skipped(want: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED for want of {want}: {why}");
}

/// Inputs and outputs that a script of `tests/parity` wrote.
pub struct Reference {
    pub input_ids: Vec<Vec<u32>>,
    pub logits: Vec<f32>,
    pub prompt: Vec<u32>,
    pub greedy: Vec<u32>,
}

impl Reference {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let ids = |name: &str| -> Vec<u32> {
            let (chunks, _) = file.tensor(name).unwrap().data().as_chunks::<8>();
            chunks.iter().map(|id| i64::from_le_bytes(*id) as u32).collect()
        };
        let rows = file.tensor("input_ids").unwrap().shape()[0];
        let flat = ids("input_ids");
        let logits = file.tensor("logits").unwrap();
        let (chunks, _) = logits.data().as_chunks::<4>();
        Self {
            input_ids: flat.chunks(flat.len() / rows).map(<[u32]>::to_vec).collect(),
            logits: chunks.iter().map(|x| f32::from_le_bytes(*x)).collect(),
            prompt: ids("prompt"),
            greedy: ids("greedy"),
        }
    }
}
