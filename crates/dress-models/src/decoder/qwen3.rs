//! Qwen3 (arXiv 2505.09388): a norm on the queries and on the keys of every head, its gains shared by all
//! heads.

use super::keys::flag;
use super::rule_parts::{Defaults, HeadNorms};
use super::{Biases, DecoderConfig, FamilyRules, layer_types};
use crate::config_json::{ConfigJson, Unsupported};
use serde_json::{Value, json};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "qwen3",
    class: "Qwen3",
    architecture: "Qwen3ForCausalLM",
    defaults: Defaults {
        positions: 32_768,
        key_value_heads: Some(32),
        head_dim: Some(128),
        ..Defaults::USUAL
    },
    own_keys: &["sliding_window", "layer_types"],
    can_have: Biases { heads: true, attention_output: true, feed_forward: false },
    head_norms: HeadNorms::Each,
    read,
    write,
    ..FamilyRules::USUAL
};

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.biases = Biases::of_keys(flag(raw, "attention_bias")?, false);
    layer_types::read_of_qwen(raw, config)
}

fn write(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let mut keys = layer_types::write_of_qwen(config);
    if config.biases.heads {
        keys.push(("attention_bias", json!(true)));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_head_is_128_wide_where_nothing_says_otherwise() {
        let text = r#"{"model_type":"qwen3","vocab_size":9,"hidden_size":8,"intermediate_size":12,
            "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1}"#;
        let read = |text: &str| DecoderConfig::from_json(text, Path::new("config.json"));
        let config = read(text).unwrap();
        assert_eq!(config.head_dim, 128);
        assert!(config.to_json("float32").contains(r#""head_dim": 128"#));
        let null = text.replacen('{', r#"{"head_dim":null,"#, 1);
        assert!(read(&null).unwrap_err().to_string().contains("head_dim"));
    }
}
