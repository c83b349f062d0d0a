//! What sets Phi's configurations and checkpoints apart.

use crate::layer_norm_decoder::{LayerNormConfig, LayerNormFamily, PartNames};

/// The hyperparameters of a Phi checkpoint, by the names of its `config.json`.
pub type PhiConfig = LayerNormConfig<Phi>;

/// Phi among the families with layer norms: one norm for attention and feed-forward network, which write side
/// by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phi;

impl LayerNormFamily for Phi {
    const NAME: &'static str = "Phi";
    const CLASS: &'static str = "Phi";
    const ARCHITECTURE: &'static str = "PhiForCausalLM";
    const ACTIVATION: &'static str = "gelu_new";
    const PARTIAL: f64 = 0.5;
    const GROUPED: bool = true;
    const HEAD_DIM_IN_TRANSFORMERS: bool = true;
    const PARTS: PartNames = PartNames {
        embedding: "model.embed_tokens",
        layers: "model.layers",
        final_norm: "model.final_layernorm",
        head: "lm_head",
        attention_norm: "input_layernorm",
        ffn_norm: None,
        attention: "self_attn",
        projections: &["q_proj", "k_proj", "v_proj"],
        attention_output: "dense",
        ffn: ["mlp.fc1", "mlp.fc2"],
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use dress_core::StockTarget;
    use std::path::Path;

    const PHI_2: &str = r#"{"model_type":"phi","vocab_size":51200,"hidden_size":2560,"intermediate_size":10240,
        "num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":32,"partial_rotary_factor":0.4,
        "hidden_act":"gelu_new","layer_norm_eps":1e-5,"max_position_embeddings":2048,"qk_layernorm":false}"#;

    fn read(text: &str) -> Result<PhiConfig, Error> {
        PhiConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn phi_2_rotates_32_of_80_dimensions() {
        let config = read(PHI_2).unwrap();
        assert_eq!((config.head_dim, config.rotary_dims), (80, 32));
        let v5 = PHI_2.replace(
            r#""partial_rotary_factor":0.4"#,
            r#""rope_parameters":{"partial_rotary_factor":0.4,"rope_theta":10000.0,"rope_type":"default"}"#,
        );
        assert_eq!(read(&v5).unwrap().rotary_dims, 32);
    }

    #[test]
    fn any_width_suits_transformers_and_whole_heads_suit_all() {
        let mut config = read(PHI_2).unwrap();
        config.hidden_size = 1920;
        assert!(config.check_stock(StockTarget::Transformers).is_ok());
        let message = config.check_stock(StockTarget::All).unwrap_err().to_string();
        assert!(
            message.contains("1920 with 24 heads") && message.contains("`stock = transformers`"),
            "{message}"
        );
        let written: serde_json::Value = serde_json::from_str(&config.to_json("float16")).unwrap();
        assert_eq!(written["head_dim"], 80);
        config.num_attention_heads = 24;
        assert!(config.check_stock(StockTarget::All).is_ok());
    }

    #[test]
    fn more_heads_than_anyone_has_are_an_error() {
        let heads = format!("\"head_dim\":80,\"num_attention_heads\":{}", 1u64 << 60);
        let text = PHI_2.replace("\"num_attention_heads\":32", &heads);
        let message = read(&text.replace("\"num_key_value_heads\":32,", "")).unwrap_err().to_string();
        assert!(message.contains("num_attention_heads"), "{message}");
    }

    #[test]
    fn what_is_not_built_is_named() {
        let message = read(&PHI_2.replace("\"qk_layernorm\":false", "\"qk_layernorm\":true"));
        assert!(message.unwrap_err().to_string().contains("qk_layernorm"));
    }
}
