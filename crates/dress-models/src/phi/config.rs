//! `config.json` of a Phi checkpoint.

use crate::config_json::{
    ConfigJson, Unsupported, check_not_negative, check_sizes, default_layer_norm_eps, default_positions,
    default_range, hidden_act, key_value_heads,
};
use crate::foreign_keys::{FamilyFacts, check_foreign_keys};
use crate::modules::{Activation, RopeScaling};
use crate::rope_config::{RopeConfig, RopeDefaults, in_pairs, rope_config};
use crate::rope_keys_written::in_both_spellings;
use crate::shape::check_width_is_heads;
use crate::{Error, LayerWidths};
use dress_core::StockTarget;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// The hyperparameters of a Phi checkpoint, by the names of its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct PhiConfig {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Neurons of each feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads of each layer.
    pub num_attention_heads: usize,
    /// Key/value heads of each layer.
    pub num_key_value_heads: usize,
    /// Width of a head; `transformers` reads it, other loaders divide the width by the heads.
    pub head_dim: usize,
    /// The first dimensions of each head, which are rotated.
    pub rotary_dims: usize,
    /// Positions the model was trained for.
    pub max_position_embeddings: usize,
    /// Added to the variance in every norm.
    pub layer_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// How the frequencies are stretched, if they are.
    pub rope_scaling: Option<RopeScaling>,
    /// The activation of the feed-forward networks.
    pub activation: Activation,
    /// Standard deviation of weights that are trained from nothing.
    pub initializer_range: f64,
    /// Neurons and heads of every layer, where they differ.
    pub widths: LayerWidths,
    /// The share of each head that is rotated.
    partial: f64,
    raw: ConfigJson,
}

/// What is read of `config.json`, with the defaults of `transformers`.
#[derive(Deserialize)]
struct RawConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_layer_norm_eps")]
    layer_norm_eps: f64,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default)]
    qk_layernorm: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default = "default_range")]
    initializer_range: f64,
}

fn default_activation() -> String {
    "gelu_new".into()
}

impl PhiConfig {
    /// Reads the text of a `config.json`; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::ConfigUnreadable`] where a key is missing or malformed, and
    /// [`Error::ConfigUnsupported`] where it asks for something this family does not have.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        ConfigJson::read(text, path, Self::check)
    }

    fn check(read: RawConfig, raw: ConfigJson) -> Result<Self, Unsupported> {
        let activation = hidden_act(&read.hidden_act)?;
        if read.qk_layernorm {
            return Err(("qk_layernorm", "norms of queries and keys are not built".into()));
        }
        if read.tie_word_embeddings {
            return Err(("tie_word_embeddings", "a head that is the embedding is not built for Phi".into()));
        }
        if raw.get("head_dim").is_some_and(|value| value.is_null()) {
            return Err((
                "head_dim",
                "null is not a number, and transformers does not load it; remove the key".into(),
            ));
        }
        let heads = read.num_attention_heads;
        let kv_heads = key_value_heads(heads, read.num_key_value_heads)?;
        let head_dim = read.head_dim.unwrap_or(read.hidden_size / heads);
        let sizes = [
            ("vocab_size", read.vocab_size),
            ("hidden_size", read.hidden_size),
            ("intermediate_size", read.intermediate_size),
            ("head_dim", head_dim),
            ("num_attention_heads", heads),
            ("max_position_embeddings", read.max_position_embeddings),
        ];
        check_sizes(read.num_hidden_layers, &sizes)?;
        check_not_negative(&[
            ("layer_norm_eps", read.layer_norm_eps),
            ("initializer_range", read.initializer_range),
        ])?;
        check_foreign_keys(&raw, &FamilyFacts::new("Phi", read.max_position_embeddings, head_dim))?;
        let rope = rope_config(&raw, read.max_position_embeddings, RopeDefaults::USUAL)?;
        let partial = rope.partial.unwrap_or(0.5);
        let rotary_dims = in_pairs((head_dim as f64 * partial) as usize, head_dim)
            .map_err(|reason| ("partial_rotary_factor", reason))?;
        let widths = LayerWidths::read(&raw, read.num_hidden_layers, read.intermediate_size, kv_heads)?;
        Ok(Self {
            vocab_size: read.vocab_size,
            hidden_size: read.hidden_size,
            intermediate_size: read.intermediate_size,
            num_hidden_layers: read.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            rotary_dims,
            max_position_embeddings: read.max_position_embeddings,
            layer_norm_eps: read.layer_norm_eps,
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            activation,
            initializer_range: read.initializer_range,
            widths,
            partial,
            raw,
        })
    }

    /// The text of a `config.json` that stock software reads, with the element type of the
    /// weights beside it.
    pub fn to_json(&self, torch_dtype: &str) -> String {
        let mut values = vec![
            ("hidden_size", json!(self.hidden_size)),
            ("intermediate_size", json!(self.intermediate_size)),
            ("num_hidden_layers", json!(self.num_hidden_layers)),
            ("num_attention_heads", json!(self.num_attention_heads)),
            ("num_key_value_heads", json!(self.num_key_value_heads)),
            ("layer_norm_eps", json!(self.layer_norm_eps)),
        ];
        if self.hidden_size != self.num_attention_heads * self.head_dim {
            values.push(("head_dim", json!(self.head_dim)));
        }
        let rope = RopeConfig {
            theta: self.rope_theta,
            scaling: self.rope_scaling,
            long_rope: None,
            partial: Some(self.partial),
        };
        values.extend(in_both_spellings(&self.raw, &rope));
        self.widths.write(self.raw.with(&values)).to_text(torch_dtype)
    }

    /// Query heads that share one key/value head.
    pub fn heads_per_group(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }

    /// Checks that `target` accepts this shape: `transformers` honours a `head_dim`, vLLM and llama.cpp
    /// divide the width by the heads.
    ///
    /// # Errors
    /// [`dress_core::Error::Shape`] with the nearest shapes that fit.
    pub fn check_stock(&self, target: StockTarget) -> Result<(), dress_core::Error> {
        let shape = [self.hidden_size, self.num_attention_heads, self.head_dim];
        let who = "software other than transformers (`stock = transformers` accepts this shape)";
        self.widths.check_stock("PhiForCausalLM", target)?;
        match target {
            StockTarget::Transformers => Ok(()),
            _ => check_width_is_heads("PhiForCausalLM", target, shape, who),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
