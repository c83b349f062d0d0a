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
    /// What a family's `check` makes of the whole file and what the family reads of it.
    pub fn read<T: DeserializeOwned, C>(
        text: &str,
        path: &Path,
        check: impl FnOnce(T, Self) -> Result<C, Unsupported>,
    ) -> Result<C, Error> {
        let unreadable = |source| Error::ConfigUnreadable { path: path.into(), source };
        let raw: Map<String, Value> = serde_json::from_str(text).map_err(unreadable)?;
        let read = serde_json::from_str(text).map_err(unreadable)?;
        let path = path.into();
        check(read, Self(raw)).map_err(|(key, reason)| Error::ConfigUnsupported { path, key, reason })
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

/// The base of the rotary frequencies and how they are stretched: from `rope_parameters` or `rope_scaling`, or the
/// base from its own key.
pub(crate) fn rope(
    nested: Option<&RawRope>,
    theta: Option<f64>,
) -> Result<(f64, Option<RopeScaling>), Unsupported> {
    let theta = nested.and_then(|rope| rope.rope_theta).or(theta).unwrap_or(10_000.0);
    if theta <= 0.0 {
        return Err(("rope_theta", format!("{theta} is not above 0")));
    }
    Ok((theta, nested.map(RawRope::scaling).transpose()?.flatten()))
}

/// Checks that what is added under a root or is a deviation is not negative.
pub(crate) fn check_not_negative(numbers: &[(&'static str, f64)]) -> Result<(), Unsupported> {
    match numbers.iter().find(|(_, number)| *number < 0.0) {
        Some((key, number)) => Err((key, format!("{number} is negative"))),
        None => Ok(()),
    }
}

/// What `transformers` takes for `max_position_embeddings` that is not said.
pub(crate) fn default_positions() -> usize {
    2048
}

/// `rope_scaling` of published checkpoints, or `rope_parameters` as transformers 5 writes them.
#[derive(Deserialize)]
pub(crate) struct RawRope {
    pub rope_theta: Option<f64>,
    pub partial_rotary_factor: Option<f64>,
    rope_type: Option<String>,
    /// What `rope_type` was called first; some files have both.
    #[serde(rename = "type")]
    former_rope_type: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

impl RawRope {
    /// How the frequencies are stretched, if they are.
    fn scaling(&self) -> Result<Option<RopeScaling>, Unsupported> {
        let need = |value: Option<f64>, name: &str| match value {
            Some(value) if value > 0.0 => Ok(value),
            Some(value) => Err(("rope_scaling", format!("`{name}` is {value}, which is not above 0"))),
            None => Err(("rope_scaling", format!("`{name}` is missing"))),
        };
        match self.rope_type.as_deref().or(self.former_rope_type.as_deref()) {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear { factor: need(self.factor, "factor")? })),
            Some("llama3") => {
                let low_freq_factor = need(self.low_freq_factor, "low_freq_factor")?;
                let high_freq_factor = need(self.high_freq_factor, "high_freq_factor")?;
                if low_freq_factor >= high_freq_factor {
                    let (low, high) = (low_freq_factor, high_freq_factor);
                    let reason = format!("`low_freq_factor` {low} is not below `high_freq_factor` {high}");
                    return Err(("rope_scaling", reason));
                }
                Ok(Some(RopeScaling::Llama3 {
                    factor: need(self.factor, "factor")?,
                    low_freq_factor,
                    high_freq_factor,
                    original_max_position_embeddings: need(
                        self.original_max_position_embeddings,
                        "original_max_position_embeddings",
                    )?,
                }))
            }
            Some(other) => {
                let reason = format!("type `{other}` is not built, only `default`, `linear` and `llama3`");
                Err(("rope_scaling", reason))
            }
        }
    }
}
