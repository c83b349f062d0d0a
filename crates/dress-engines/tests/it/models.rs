//! Shapes of checkpoints whose weights are never made.

use dress_core::burn::tensor::Device;
use dress_engines::{EngineFormat, EngineTable, ModelShape};
use dress_models::AnyModel;
use serde_json::{Value, json};
use std::path::Path;

/// The shape that a configuration declares.
pub fn shape(config: &Value) -> ModelShape {
    let model =
        AnyModel::from_config(&config.to_string(), Path::new("config.json"), &Device::flex()).unwrap();
    ModelShape::of(&model)
}

/// SmolLM2's configuration with some keys set otherwise.
pub fn smollm2(keys: &[(&str, Value)]) -> Value {
    let mut config = json!({
        "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
        "tie_word_embeddings": true,
    });
    keys.iter().for_each(|(key, value)| config[*key] = value.clone());
    config
}

pub fn format(name: &str) -> EngineFormat {
    EngineTable::built_in().format(name).unwrap()
}
