//! What sets GPT-NeoX's configurations and checkpoints apart.

use crate::config_json::{ConfigJson, Unsupported, flag};
use crate::layer_norm_decoder::{LayerNormConfig, LayerNormFamily, PartNames};
use crate::rope_config::{PARTIAL, THETA};
use serde_json::{Value, json};

/// The hyperparameters of a GPT-NeoX checkpoint, by the names of its `config.json`.
pub type GptNeoxConfig = LayerNormConfig<GptNeox>;

/// GPT-NeoX among the families with layer norms: a norm for the attention and one for the feed-forward
/// network, which lie side by side or one behind the other, and heads whose query, key and value are one
/// block of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GptNeox;

const BIASES: &str = "attention_bias";
const SIDE_BY_SIDE: &str = "use_parallel_residual";

impl LayerNormFamily for GptNeox {
    const NAME: &'static str = "GPT-NeoX";
    const CLASS: &'static str = "GPTNeoX";
    const ARCHITECTURE: &'static str = "GPTNeoXForCausalLM";
    const ACTIVATION: &'static str = "gelu";
    const PARTIAL: f64 = 0.25;
    const ROTARY_KEYS: &'static [(&'static str, &'static str)] =
        &[("rotary_emb_base", THETA), ("rotary_pct", PARTIAL)];
    const OWN_KEYS: &'static [&'static str] = &[SIDE_BY_SIDE, "rotary_pct"];
    const GROUPED: bool = false;
    const HEAD_DIM_IN_TRANSFORMERS: bool = false;
    const PARTS: PartNames = PartNames {
        embedding: "gpt_neox.embed_in",
        layers: "gpt_neox.layers",
        final_norm: "gpt_neox.final_layer_norm",
        head: "embed_out",
        attention_norm: "input_layernorm",
        ffn_norm: Some("post_attention_layernorm"),
        attention: "attention",
        projections: &["query_key_value"],
        attention_output: "dense",
        ffn: ["mlp.dense_h_to_4h", "mlp.dense_4h_to_h"],
    };

    fn read(raw: &ConfigJson, config: &mut GptNeoxConfig) -> Result<(), Unsupported> {
        config.attention_bias = flag(raw, BIASES, true)?;
        config.use_parallel_residual = flag(raw, SIDE_BY_SIDE, true)?;
        Ok(())
    }

    fn write(config: &GptNeoxConfig) -> Vec<(&'static str, Value)> {
        let said = config.said(BIASES).and_then(Value::as_bool).unwrap_or(true);
        match said == config.attention_bias {
            true => Vec::new(),
            false => vec![(BIASES, json!(config.attention_bias))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use dress_core::StockTarget;
    use std::path::Path;

    const PYTHIA_70M: &str = r#"{"model_type":"gpt_neox","architectures":["GPTNeoXForCausalLM"],"vocab_size":50304,
        "hidden_size":512,"intermediate_size":2048,"num_hidden_layers":6,"num_attention_heads":8,"hidden_act":"gelu",
        "rotary_pct":0.25,"rotary_emb_base":10000,"use_parallel_residual":true,"tie_word_embeddings":false}"#;

    fn read(text: &str) -> Result<GptNeoxConfig, Error> {
        GptNeoxConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn pythia_rotates_16_of_64_dimensions_whatever_the_keys_are_called() {
        let config = read(PYTHIA_70M).unwrap();
        assert_eq!((config.head_dim, config.rotary_dims, config.rope_theta), (64, 16, 10_000.0));
        let newer =
            r#""rope_parameters":{"partial_rotary_factor":0.5,"rope_theta":500.0,"rope_type":"default"}"#;
        let newer = PYTHIA_70M.replace(r#""rotary_pct":0.25,"rotary_emb_base":10000"#, newer);
        let config = read(&newer).unwrap();
        assert_eq!((config.rotary_dims, config.rope_theta), (32, 500.0));
        // Both sets of keys are written, and mean the same.
        let written: Value = serde_json::from_str(&config.to_json("float16")).unwrap();
        assert_eq!((&written["rotary_pct"], &written["rotary_emb_base"]), (&json!(0.5), &json!(500.0)));
        let again = read(&config.to_json("float16")).unwrap();
        assert_eq!((again.rotary_dims, again.rope_theta), (32, 500.0));
    }

    #[test]
    fn a_width_that_is_not_its_heads_is_ours_alone() {
        let mut config = read(PYTHIA_70M).unwrap();
        config.hidden_size = 400;
        let message = config.check_stock(StockTarget::Transformers).unwrap_err().to_string();
        assert!(message.contains("384 with 6 heads and 448 with 7"), "{message}");
        assert!(config.check_stock(StockTarget::Dress).is_ok());
        assert_eq!(read(&config.to_json("float16")).unwrap().head_dim, 64);
    }

    #[test]
    fn what_is_not_built_is_named() {
        for (from, to, key) in [
            ("\"gelu\"", "\"tanh\"", "hidden_act"),
            ("embeddings\":false", "embeddings\":true", "tie_word_embeddings"),
            ("\"rotary_pct\":0.25", "\"rotary_pct\":0.01", "rotary_pct"),
            ("\"rotary_pct\":0.25", "\"rotary_pct\":1.5", "rotary_pct"),
            ("base\":10000", "base\":0", "rotary_emb_base"),
            ("heads\":8", "heads\":7", "num_attention_heads"),
            ("\"rotary_pct\":0.25", "\"alibi\":true", "alibi"),
        ] {
            let message = read(&PYTHIA_70M.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }
}
