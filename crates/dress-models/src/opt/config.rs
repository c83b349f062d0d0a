//! `config.json` of an OPT checkpoint.

use crate::config_json::{
    ConfigJson, Unsupported, check_not_negative, check_sizes, default_positions, key_value_heads,
};
use crate::foreign_keys::{FamilyFacts, check_foreign_keys};
use crate::modules::Activation;
use crate::shape::check_width_is_heads;
use crate::{Error, LayerWidths};
use dress_core::StockTarget;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// The hyperparameters of an OPT checkpoint, by the names of its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct OptConfig {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the embedding and the head; where it is not `hidden_size`, two projections lie between.
    pub word_embed_proj_dim: usize,
    /// Neurons of each feed-forward network.
    pub ffn_dim: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Heads of each layer.
    pub num_attention_heads: usize,
    /// Width of a head. Stock software knows only `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Positions the model was trained for.
    pub max_position_embeddings: usize,
    /// Whether the norms are before the attention and the network; 350M has them behind.
    pub do_layer_norm_before: bool,
    /// Whether a norm stands before the head.
    pub final_layer_norm: bool,
    /// The activation of the feed-forward networks.
    pub activation: Activation,
    /// Whether the projections of the layers have biases.
    pub enable_bias: bool,
    /// Whether the head is the embedding, transposed.
    pub tie_word_embeddings: bool,
    /// Standard deviation of weights that are trained from nothing.
    pub init_std: f64,
    /// Neurons and heads of every layer, where they differ.
    pub widths: LayerWidths,
    raw: ConfigJson,
}

/// What is read of `config.json`, with the defaults of `transformers`.
#[derive(Deserialize)]
struct RawConfig {
    vocab_size: usize,
    hidden_size: usize,
    word_embed_proj_dim: Option<usize>,
    ffn_dim: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    head_dim: Option<usize>,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "yes")]
    do_layer_norm_before: bool,
    #[serde(default, rename = "_remove_final_layer_norm")]
    remove_final_layer_norm: bool,
    #[serde(default = "default_activation")]
    activation_function: String,
    #[serde(default = "yes")]
    enable_bias: bool,
    #[serde(default = "yes")]
    layer_norm_elementwise_affine: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    #[serde(default = "default_std")]
    init_std: f64,
}

fn default_activation() -> String {
    "relu".into()
}
fn default_std() -> f64 {
    0.02
}
fn yes() -> bool {
    true
}

impl OptConfig {
    /// Added to the variance in every norm; `config.json` has no key for it.
    pub const LAYER_NORM_EPS: f64 = 1e-5;

    /// Reads the text of a `config.json`; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::ConfigUnreadable`] where a key is missing or malformed, and
    /// [`Error::ConfigUnsupported`] where it asks for something this family does not have.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        ConfigJson::read(text, path, Self::check)
    }

    fn check(read: RawConfig, raw: ConfigJson) -> Result<Self, Unsupported> {
        let Some(activation) = Activation::from_name(&read.activation_function) else {
            let reason = format!("`{}` is not built, only relu, gelu, gelu_new", read.activation_function);
            return Err(("activation_function", reason));
        };
        if !read.layer_norm_elementwise_affine {
            return Err(("layer_norm_elementwise_affine", "norms without gains are not built".into()));
        }
        let heads = key_value_heads(read.num_attention_heads, None)?;
        let word_embed_proj_dim = read.word_embed_proj_dim.unwrap_or(read.hidden_size);
        let sizes = [
            ("vocab_size", read.vocab_size),
            ("hidden_size", read.hidden_size),
            ("word_embed_proj_dim", word_embed_proj_dim),
            ("ffn_dim", read.ffn_dim),
            ("max_position_embeddings", read.max_position_embeddings),
            ("num_attention_heads", heads),
        ];
        check_sizes(read.num_hidden_layers, &sizes)?;
        check_not_negative(&[("init_std", read.init_std)])?;
        if read.head_dim.is_none() && !read.hidden_size.is_multiple_of(heads) {
            let reason = format!("{heads} heads do not share {} channels evenly", read.hidden_size);
            return Err(("num_attention_heads", reason));
        }
        let head_dim = read.head_dim.unwrap_or(read.hidden_size / heads);
        check_sizes(1, &[("head_dim", head_dim)])?;
        check_foreign_keys(&raw, &FamilyFacts::new("OPT", read.max_position_embeddings, head_dim))?;
        let widths = LayerWidths::read(&raw, read.num_hidden_layers, read.ffn_dim, heads)?;
        Ok(Self {
            vocab_size: read.vocab_size,
            hidden_size: read.hidden_size,
            word_embed_proj_dim,
            ffn_dim: read.ffn_dim,
            num_hidden_layers: read.num_hidden_layers,
            num_attention_heads: heads,
            head_dim,
            max_position_embeddings: read.max_position_embeddings,
            do_layer_norm_before: read.do_layer_norm_before,
            final_layer_norm: read.do_layer_norm_before && !read.remove_final_layer_norm,
            activation,
            enable_bias: read.enable_bias,
            tie_word_embeddings: read.tie_word_embeddings,
            init_std: read.init_std,
            widths,
            raw,
        })
    }

    /// The text of a `config.json` that stock software reads, with the element type of the
    /// weights beside it.
    pub fn to_json(&self, torch_dtype: &str) -> String {
        let mut values = vec![
            ("hidden_size", json!(self.hidden_size)),
            ("word_embed_proj_dim", json!(self.word_embed_proj_dim)),
            ("ffn_dim", json!(self.ffn_dim)),
            ("num_hidden_layers", json!(self.num_hidden_layers)),
            ("num_attention_heads", json!(self.num_attention_heads)),
            ("tie_word_embeddings", json!(self.tie_word_embeddings)),
        ];
        if self.enable_bias != self.raw.get("enable_bias").and_then(|has| has.as_bool()).unwrap_or(true) {
            values.push(("enable_bias", json!(self.enable_bias)));
        }
        if self.hidden_size != self.num_attention_heads * self.head_dim {
            values.push(("head_dim", json!(self.head_dim)));
        }
        self.widths.write(self.raw.with(&values)).to_text(torch_dtype)
    }

    /// Whether projections lie between the embedding and the stream.
    pub fn has_projections(&self) -> bool {
        self.word_embed_proj_dim != self.hidden_size
    }

    /// Checks that stock software accepts this shape: OPT's has no `head_dim`.
    ///
    /// # Errors
    /// [`dress_core::Error::Shape`] with the nearest shapes that fit.
    pub fn check_stock(&self, target: StockTarget) -> Result<(), dress_core::Error> {
        let shape = [self.hidden_size, self.num_attention_heads, self.head_dim];
        self.widths.check_stock("OPTForCausalLM", target)?;
        check_width_is_heads("OPTForCausalLM", target, shape, "OPT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPT_125M: &str = r#"{"model_type":"opt","vocab_size":50272,"hidden_size":768,"ffn_dim":3072,
        "num_hidden_layers":12,"num_attention_heads":12,"word_embed_proj_dim":768,"do_layer_norm_before":true,
        "max_position_embeddings":2048,"prefix":"</s>"}"#;

    fn read(text: &str) -> Result<OptConfig, Error> {
        OptConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn published_shapes_are_read_and_written_back() {
        let config = read(OPT_125M).unwrap();
        assert_eq!((config.head_dim, config.final_layer_norm, config.tie_word_embeddings), (64, true, true));
        let written: serde_json::Value = serde_json::from_str(&config.to_json("float16")).unwrap();
        assert_eq!(written["prefix"], "</s>");
        assert!(written.get("head_dim").is_none());
        let post_norm = read(&OPT_125M.replace("before\":true", "before\":false")).unwrap();
        assert!(!post_norm.final_layer_norm);
    }

    #[test]
    fn a_width_that_is_not_its_heads_names_what_fits() {
        let mut config = read(OPT_125M).unwrap();
        config.hidden_size = 600;
        let message = config.check_stock(StockTarget::Transformers).unwrap_err().to_string();
        assert!(message.contains("576 with 9 heads and 640 with 10"), "{message}");
        assert!(message.contains("768 for 12 heads"), "{message}");
        assert!(config.check_stock(StockTarget::Dress).is_ok());
    }

    #[test]
    fn more_heads_than_anyone_has_are_an_error() {
        let heads = format!("\"head_dim\":64,\"num_attention_heads\":{}", 1u64 << 60);
        let message = read(&OPT_125M.replace("\"num_attention_heads\":12", &heads)).unwrap_err().to_string();
        assert!(message.contains("num_attention_heads"), "{message}");
    }

    #[test]
    fn what_is_not_built_is_named() {
        let message = read(&OPT_125M.replace("\"prefix\":\"</s>\"", "\"activation_function\":\"tanh\""));
        assert!(message.unwrap_err().to_string().contains("activation_function"));
    }
}
