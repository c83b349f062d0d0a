//! `config.json` of a checkpoint of this decoder, read and written.

use super::{LayerNormConfig, LayerNormFamily};
use crate::config_json::{
    ConfigJson, Unsupported, check_not_negative, check_sizes, default_layer_norm_eps, default_positions,
    default_range, hidden_act, key_value_heads,
};
use crate::foreign_keys::{FamilyFacts, check_foreign_keys};
use crate::modules::Activation;
use crate::rope_config::{PARTIAL, RopeConfig, RopeDefaults, in_pairs, rope_config};
use crate::rope_keys_written::in_both_spellings;
use crate::{Error, LayerWidths};
use serde::Deserialize;
use serde_json::{Value, json};
use std::marker::PhantomData;
use std::path::Path;

/// What is read of `config.json` whatever the family, with the defaults of `transformers`.
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
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default = "default_range")]
    initializer_range: f64,
}

impl RawConfig {
    /// Key/value heads, and the width of a head.
    fn heads<F: LayerNormFamily>(&self, raw: &ConfigJson) -> Result<[usize; 2], Unsupported> {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        let kv_heads = key_value_heads(heads, self.num_key_value_heads.filter(|_| F::GROUPED))?;
        if F::HEAD_DIM_IN_TRANSFORMERS && raw.get("head_dim").is_some_and(Value::is_null) {
            let reason = "null is not a number, and transformers does not load it; remove the key";
            return Err(("head_dim", reason.into()));
        }
        if !F::HEAD_DIM_IN_TRANSFORMERS && self.head_dim.is_none() && !width.is_multiple_of(heads) {
            let reason = format!("{heads} heads do not share {width} channels evenly");
            return Err(("num_attention_heads", reason));
        }
        let head_dim = self.head_dim.unwrap_or(width / heads);
        check_sizes(1, &[("head_dim", head_dim)])?;
        Ok([kv_heads, head_dim])
    }
}

impl<F: LayerNormFamily> LayerNormConfig<F> {
    /// Reads the text of a `config.json`; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::ConfigUnreadable`] where a key is missing or malformed, and
    /// [`Error::ConfigUnsupported`] where it asks for something this family does not have.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        ConfigJson::read(text, path, Self::check)
    }

    fn check(read: RawConfig, raw: ConfigJson) -> Result<Self, Unsupported> {
        let activation = activation::<F>(&raw)?;
        if read.tie_word_embeddings {
            let reason = format!("a head that is the embedding is not built for {}", F::NAME);
            return Err(("tie_word_embeddings", reason));
        }
        let positions = read.max_position_embeddings;
        let sizes = [
            ("vocab_size", read.vocab_size),
            ("hidden_size", read.hidden_size),
            ("intermediate_size", read.intermediate_size),
            ("num_attention_heads", read.num_attention_heads),
            ("max_position_embeddings", positions),
        ];
        check_sizes(read.num_hidden_layers, &sizes)?;
        check_not_negative(&[
            ("layer_norm_eps", read.layer_norm_eps),
            ("initializer_range", read.initializer_range),
        ])?;
        let [kv_heads, head_dim] = read.heads::<F>(&raw)?;
        let facts = FamilyFacts::new(F::CLASS, positions, head_dim).with_own_keys(F::OWN_KEYS);
        check_foreign_keys(&raw, &facts)?;
        let (filed, raw) = (&raw, with_usual_names::<F>(&raw));
        let rope = rope_config(&raw, positions, RopeDefaults::USUAL)
            .map_err(|(key, reason)| (as_filed::<F>(filed, key), reason))?;
        let partial = rope.partial.unwrap_or(F::PARTIAL);
        let rotary_dims = in_pairs((head_dim as f64 * partial) as usize, head_dim)
            .map_err(|reason| (own_name::<F>(PARTIAL), reason))?;
        let widths = LayerWidths::read(&raw, read.num_hidden_layers, read.intermediate_size, kv_heads)?;
        let mut config = Self {
            vocab_size: read.vocab_size,
            hidden_size: read.hidden_size,
            intermediate_size: read.intermediate_size,
            num_hidden_layers: read.num_hidden_layers,
            num_attention_heads: read.num_attention_heads,
            num_key_value_heads: kv_heads,
            head_dim,
            rotary_dims,
            max_position_embeddings: positions,
            layer_norm_eps: read.layer_norm_eps,
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            activation,
            attention_bias: true,
            use_parallel_residual: true,
            initializer_range: read.initializer_range,
            widths,
            partial,
            raw,
            family: PhantomData,
        };
        F::read(filed, &mut config)?;
        Ok(config)
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
        if F::GROUPED {
            values.push(("num_key_value_heads", json!(self.num_key_value_heads)));
        }
        values.extend(F::write(self));
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
        let own: Vec<(&str, Value)> = F::ROTARY_KEYS
            .iter()
            .filter_map(|&(own, name)| Some((own, usual.iter().find(|(key, _)| *key == name)?.1.clone())))
            .collect();
        values.extend(usual.into_iter().chain(own));
        self.widths.write(self.raw.with(&values)).to_text(torch_dtype)
    }
}

fn activation<F: LayerNormFamily>(raw: &ConfigJson) -> Result<Activation, Unsupported> {
    match raw.get("hidden_act") {
        None => hidden_act(F::ACTIVATION),
        Some(Value::String(name)) => hidden_act(name),
        Some(other) => Err(("hidden_act", format!("{other} is not a name"))),
    }
}

/// The same, with what the family's own keys of the rotary embedding say under the names that other families
/// have for them, which say nothing in a file of this one, as in `transformers`.
fn with_usual_names<F: LayerNormFamily>(raw: &ConfigJson) -> ConfigJson {
    let of_own = |&(own, name): &(&str, &'static str)| Some((name, raw.get(own)?.clone()));
    let values: Vec<(&str, Value)> = F::ROTARY_KEYS.iter().filter_map(of_own).collect();
    F::ROTARY_KEYS.iter().fold(raw.clone(), |raw, (_, name)| raw.without(name)).with(&values)
}

/// What the file calls a key of the rotary embedding.
fn as_filed<F: LayerNormFamily>(raw: &ConfigJson, key: &'static str) -> &'static str {
    let own = own_name::<F>(key);
    if raw.get(own).is_some() { own } else { key }
}

/// What the family calls a key of the rotary embedding.
fn own_name<F: LayerNormFamily>(key: &'static str) -> &'static str {
    F::ROTARY_KEYS.iter().find(|(_, name)| *name == key).map_or(key, |&(own, _)| own)
}
