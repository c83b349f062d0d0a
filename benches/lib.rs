//! What the benchmarks share: models of real shapes with random weights.

use dress_core::burn::tensor::Device;
use dress_core::{Axis, AxisSelection, Calibration, CausalLm, Selection};
use dress_models::AnyModel;
use serde_json::json;
use std::path::Path;

/// A model of SmolLM2-135M's shape with random weights.
pub fn smollm2(device: &Device) -> AnyModel {
    let config = json!({
        "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
        "rope_theta": 100000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
        "max_position_embeddings": 8192,
    });
    AnyModel::from_config(&config.to_string(), Path::new("config.json"), device).expect("the config is valid")
}

/// The last `removed` channels of the residual width go.
pub fn narrower<M: CausalLm>(model: &M, removed: usize) -> Selection {
    let len = model.coupling().axis(Axis::Residual).expect("every model here has it").len;
    let selection =
        AxisSelection::new(len, (len - removed..len).collect()).expect("the indices are in range");
    Selection::new().with(Axis::Residual, selection)
}

/// Token ids below `vocab_size`, spread out.
pub fn tokens(len: usize, vocab_size: usize) -> Calibration {
    Calibration::from_blocks(vec![(0..len).map(|i| (i * 7919 % vocab_size) as u32).collect()])
}
