//! What every family's `config.json` has in common.

use crate::Error;
use crate::blocks::RopeScaling;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::Path;

/// A `config.json` as it was read. Keys that pruning does not touch stay as they were, so that a
/// result's file differs from its source's only in what changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConfigJson(Map<String, Value>);

/// The key that asks for something that is not built, and why it is not.
pub(crate) type Unsupported = (&'static str, String);

impl ConfigJson {
    /// The whole file, and what a family reads of it.
    pub fn read<T: DeserializeOwned>(text: &str, path: &Path) -> Result<(Self, T), Error> {
        let unreadable = |source| Error::ConfigUnreadable { path: path.into(), source };
        let raw: Map<String, Value> = serde_json::from_str(text).map_err(unreadable)?;
        let read = serde_json::from_str(text).map_err(unreadable)?;
        Ok((Self(raw), read))
    }

    /// The same with other values for some keys.
    #[must_use]
    pub fn with(&self, values: &[(&str, Value)]) -> Self {
        let mut raw = self.0.clone();
        raw.extend(values.iter().map(|(key, value)| (key.to_string(), value.clone())));
        Self(raw)
    }

    /// The value of one key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The same without one key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.remove(key);
        self
    }

    /// The file's text, with the element type of the weights beside it.
    pub fn to_text(&self, torch_dtype: &str) -> String {
        let mut raw = self.0.clone();
        let key = if raw.contains_key("dtype") { "dtype" } else { "torch_dtype" };
        raw.insert(key.into(), json!(torch_dtype));
        serde_json::to_string_pretty(&Value::Object(raw)).expect("a map with string keys is JSON")
    }
}

/// Checks that the heads share out evenly and returns the number of key/value heads.
pub(crate) fn key_value_heads(heads: usize, kv_heads: Option<usize>) -> Result<usize, Unsupported> {
    let kv_heads = kv_heads.unwrap_or(heads);
    if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        let reason = format!("{kv_heads} key/value heads cannot share {heads} query heads evenly");
        return Err(("num_key_value_heads", reason));
    }
    Ok(kv_heads)
}

/// The most blocks and the largest size that a config may ask for: ten times what anyone has
/// trained, so that a damaged file is refused before it asks for memory.
const MOST_LAYERS: usize = 1024;
const LARGEST_SIZE: usize = 1 << 24;

/// Checks that no size is zero or beyond reason.
pub(crate) fn check_sizes(layers: usize, sizes: &[(&'static str, usize)]) -> Result<(), Unsupported> {
    let layers_found = [("num_hidden_layers", layers, MOST_LAYERS)];
    let sizes = sizes.iter().map(|&(key, size)| (key, size, LARGEST_SIZE));
    match sizes.chain(layers_found).find(|&(_, size, most)| size == 0 || size > most) {
        Some((key, size, most)) => Err((key, format!("{size} is not between 1 and {most}"))),
        None => Ok(()),
    }
}

/// `rope_scaling` of published checkpoints, or `rope_parameters` as transformers 5 writes them.
#[derive(Deserialize)]
pub(crate) struct RawRope {
    pub rope_theta: Option<f64>,
    pub partial_rotary_factor: Option<f64>,
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl RawRope {
    /// How the frequencies are stretched, if they are.
    pub fn scaling(&self) -> Result<Option<RopeScaling>, Unsupported> {
        let need = |value: Option<f64>, name: &str| {
            value.ok_or_else(|| ("rope_scaling", format!("`{name}` is missing")))
        };
        match self.rope_type.as_deref() {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear { factor: need(self.factor, "factor")? })),
            Some("llama3") => Ok(Some(RopeScaling::Llama3 {
                factor: need(self.factor, "factor")?,
                low_freq_factor: need(self.low_freq_factor, "low_freq_factor")?,
                high_freq_factor: need(self.high_freq_factor, "high_freq_factor")?,
                original_max_position_embeddings: need(
                    self.original_max_position_embeddings,
                    "original_max_position_embeddings",
                )?,
            })),
            Some(other) => {
                let reason = format!("type `{other}` is not built, only `default`, `linear` and `llama3`");
                Err(("rope_scaling", reason))
            }
        }
    }
}
