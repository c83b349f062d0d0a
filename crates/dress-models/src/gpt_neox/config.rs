//! `config.json` of a GPT-NeoX checkpoint.

use crate::config_json::{
    ConfigJson, Unsupported, check_not_negative, check_sizes, default_layer_norm_eps, default_positions,
    default_range, hidden_act,
};
use crate::foreign_keys::{FamilyFacts, check_foreign_keys};
use crate::modules::{Activation, RopeScaling};
use crate::rope_config::{PARTIAL, RopeConfig, RopeDefaults, THETA, in_pairs, rope_config};
use crate::rope_keys_written::in_both_spellings;
use crate::shape::check_width_is_heads;
use crate::{Error, LayerWidths};
use dress_core::StockTarget;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// The family's own keys of the rotary embedding, and what they are called elsewhere.
const ROTARY: [(&str, &str); 2] = [("rotary_emb_base", THETA), ("rotary_pct", PARTIAL)];

/// The hyperparameters of a GPT-NeoX checkpoint, by the names of its `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct GptNeoxConfig {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Neurons of each feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Heads of each layer.
    pub num_attention_heads: usize,
    /// Width of a head. Stock software knows only `hidden_size / num_attention_heads`.
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
    /// Whether the projections of the attention have biases.
    pub attention_bias: bool,
    /// Whether attention and feed-forward network read the same stream, side by side.
    pub use_parallel_residual: bool,
    /// Standard deviation of weights that are trained from nothing.
    pub initializer_range: f64,
    /// Neurons and heads of every layer, where they differ.
    pub widths: LayerWidths,
    /// The share of each head that is rotated.
    partial: f64,
    /// The file, with what it says of the rotary embedding under the names of other families as well.
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
    head_dim: Option<usize>,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_layer_norm_eps")]
    layer_norm_eps: f64,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "yes")]
    attention_bias: bool,
    #[serde(default = "yes")]
    use_parallel_residual: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default = "default_range")]
    initializer_range: f64,
}

fn default_activation() -> String {
    "gelu".into()
}
fn yes() -> bool {
    true
}

impl GptNeoxConfig {
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
        if read.tie_word_embeddings {
            let reason = "a head that is the embedding is not built for GPT-NeoX";
            return Err(("tie_word_embeddings", reason.into()));
        }
        let heads = read.num_attention_heads;
        let sizes = [
            ("vocab_size", read.vocab_size),
            ("hidden_size", read.hidden_size),
            ("intermediate_size", read.intermediate_size),
            ("num_attention_heads", heads),
            ("max_position_embeddings", read.max_position_embeddings),
        ];
        check_sizes(read.num_hidden_layers, &sizes)?;
        check_not_negative(&[
            ("layer_norm_eps", read.layer_norm_eps),
            ("initializer_range", read.initializer_range),
        ])?;
        if read.head_dim.is_none() && !read.hidden_size.is_multiple_of(heads) {
            let reason = format!("{heads} heads do not share {} channels evenly", read.hidden_size);
            return Err(("num_attention_heads", reason));
        }
        let head_dim = read.head_dim.unwrap_or(read.hidden_size / heads);
        check_sizes(1, &[("head_dim", head_dim)])?;
        let facts = FamilyFacts::new("GPTNeoX", read.max_position_embeddings, head_dim);
        check_foreign_keys(&raw, &facts.with_own_keys(&["use_parallel_residual", "rotary_pct"]))?;
        let (filed, raw) = (&raw, with_usual_names(&raw));
        let rope = rope_config(&raw, read.max_position_embeddings, RopeDefaults::USUAL)
            .map_err(|(key, reason)| (as_filed(filed, key), reason))?;
        let partial = rope.partial.unwrap_or(0.25);
        let rotary_dims = in_pairs((head_dim as f64 * partial) as usize, head_dim)
            .map_err(|reason| ("rotary_pct", reason))?;
        let widths = LayerWidths::read(&raw, read.num_hidden_layers, read.intermediate_size, heads)?;
        Ok(Self {
            vocab_size: read.vocab_size,
            hidden_size: read.hidden_size,
            intermediate_size: read.intermediate_size,
            num_hidden_layers: read.num_hidden_layers,
            num_attention_heads: heads,
            head_dim,
            rotary_dims,
            max_position_embeddings: read.max_position_embeddings,
            layer_norm_eps: read.layer_norm_eps,
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            activation,
            attention_bias: read.attention_bias,
            use_parallel_residual: read.use_parallel_residual,
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
            ("layer_norm_eps", json!(self.layer_norm_eps)),
        ];
        let biases = self.raw.get("attention_bias").and_then(Value::as_bool);
        if biases.unwrap_or(true) != self.attention_bias {
            values.push(("attention_bias", json!(self.attention_bias)));
        }
        if self.hidden_size != self.num_attention_heads * self.head_dim {
            values.push(("head_dim", json!(self.head_dim)));
        }
        let rope = RopeConfig {
            theta: self.rope_theta,
            scaling: self.rope_scaling,
            long_rope: None,
            partial: Some(self.partial),
        };
        let usual = in_both_spellings(&self.raw, &rope);
        let own: Vec<(&str, Value)> = ROTARY
            .into_iter()
            .filter_map(|(own, name)| Some((own, usual.iter().find(|(key, _)| *key == name)?.1.clone())))
            .collect();
        values.extend(usual.into_iter().chain(own));
        self.widths.write(self.raw.with(&values)).to_text(torch_dtype)
    }

    /// Checks that stock software accepts this shape: GPT-NeoX has no `head_dim`.
    ///
    /// # Errors
    /// [`dress_core::Error::Shape`] with the nearest shapes that fit.
    pub fn check_stock(&self, target: StockTarget) -> Result<(), dress_core::Error> {
        let shape = [self.hidden_size, self.num_attention_heads, self.head_dim];
        self.widths.check_stock("GPTNeoXForCausalLM", target)?;
        check_width_is_heads("GPTNeoXForCausalLM", target, shape, "GPT-NeoX")
    }
}

/// The same, with what the family's own keys of the rotary embedding say under the names that other families have for
/// them, which say nothing in a file of this one, as in `transformers`.
fn with_usual_names(raw: &ConfigJson) -> ConfigJson {
    let values: Vec<(&str, Value)> =
        ROTARY.into_iter().filter_map(|(own, name)| Some((name, raw.get(own)?.clone()))).collect();
    raw.clone().without(THETA).without(PARTIAL).with(&values)
}

/// What the file calls a key of the rotary embedding.
fn as_filed(raw: &ConfigJson, key: &'static str) -> &'static str {
    let own = ROTARY.into_iter().find(|(own, name)| *name == key && raw.get(own).is_some());
    own.map_or(key, |(own, _)| own)
}

#[cfg(test)]
mod tests {
    use super::*;

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
