//! What every family's `config.json` has in common.

use crate::Error;
use crate::modules::Activation;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::Path;

/// A `config.json` as it was read. Keys that pruning does not touch stay as they were, so that a
/// result's file differs from its source's only in what changed.
///
/// # Examples
/// ```
/// use dress_models::ConfigJson;
///
/// #[derive(serde::Deserialize)]
/// struct Shape {
///     width: usize,
/// }
/// let text = r#"{"width":8,"made_by":"somebody"}"#;
/// let read = |shape: Shape, raw: ConfigJson| match shape.width {
///     0 => Err(("width", "0 channels are none".into())),
///     width => Ok((width, raw)),
/// };
/// let (width, raw) = ConfigJson::read(text, "config.json".as_ref(), read)?;
/// let sliced = raw.with(&[("width", (width / 2).into())]).to_text("float32");
/// assert!(sliced.contains(r#""width": 4"#) && sliced.contains("somebody"));
/// # Ok::<(), dress_models::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigJson(Map<String, Value>);

/// The key that asks for something that is not built, and why it is not.
pub type Unsupported = (&'static str, String);

impl ConfigJson {
    /// What a family's `check` makes of the whole file and what the family reads of it. `path` is only named
    /// in errors.
    ///
    /// # Errors
    /// [`Error::ConfigUnreadable`], and [`Error::ConfigUnsupported`] where `check` refuses a key.
    pub fn read<T: DeserializeOwned, C>(
        text: &str,
        path: &Path,
        check: impl FnOnce(T, Self) -> Result<C, Unsupported>,
    ) -> Result<C, Error> {
        let unreadable = |cause| Error::ConfigUnreadable { path: path.into(), cause };
        let raw: Map<String, Value> = serde_json::from_str(text).map_err(unreadable)?;
        // From the map, in which the last of equal keys counts, as in Python.
        let read = serde_json::from_value(Value::Object(raw.clone())).map_err(unreadable)?;
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

    /// The file's text, with the element type of the weights beside it, under its old and its new name where
    /// the file has both.
    pub fn to_text(&self, torch_dtype: &str) -> String {
        let mut raw = self.0.clone();
        let found: Vec<&str> =
            ["dtype", "torch_dtype"].into_iter().filter(|key| raw.contains_key(*key)).collect();
        let keys = if found.is_empty() { &["torch_dtype"][..] } else { &found };
        raw.extend(keys.iter().map(|key| (key.to_string(), json!(torch_dtype))));
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

/// The most layers and the largest size that a config may ask for: ten times what anyone has
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

/// Checks that what is added under a root or is a deviation is not negative.
pub(crate) fn check_not_negative(numbers: &[(&'static str, f64)]) -> Result<(), Unsupported> {
    match numbers.iter().find(|(_, number)| *number < 0.0) {
        Some((key, number)) => Err((key, format!("{number} is negative"))),
        None => Ok(()),
    }
}

/// What Python takes for false, which transformers passes over as if it were not there.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// What `transformers` takes for `max_position_embeddings` that is not said.
pub(crate) fn default_positions() -> usize {
    2048
}

/// What it takes for `initializer_range`.
pub(crate) fn default_range() -> f64 {
    0.02
}

/// What it takes for `layer_norm_eps`.
pub(crate) fn default_layer_norm_eps() -> f64 {
    1e-5
}

/// A key that is true or false, and `missing` where it is not there.
pub(crate) fn flag(raw: &ConfigJson, key: &'static str, missing: bool) -> Result<bool, Unsupported> {
    match raw.get(key) {
        None => Ok(missing),
        Some(Value::Bool(value)) => Ok(*value),
        Some(other) => Err((key, format!("{other} is neither true nor false"))),
    }
}

/// The activation that `hidden_act` names.
pub(crate) fn hidden_act(name: &str) -> Result<Activation, Unsupported> {
    let reason = || format!("`{name}` is not built, only gelu_new, gelu, relu, silu");
    Activation::from_name(name).ok_or_else(|| ("hidden_act", reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Value, ConfigJson) {
        ConfigJson::read(text, Path::new("config.json"), |read, raw| Ok((read, raw))).unwrap()
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        #[derive(serde::Deserialize)]
        struct Layers {
            layers: usize,
        }
        let text = r#"{"layers":3,"layers":2}"#;
        let check = |read: Layers, raw: ConfigJson| Ok((read.layers, raw.get("layers").cloned()));
        assert_eq!(ConfigJson::read(text, Path::new("c"), check).unwrap(), (2, Some(json!(2))));
    }

    #[test]
    fn the_element_type_is_written_under_every_name_that_is_there() {
        for (text, expected) in [
            ("{}", json!({"torch_dtype": "bfloat16"})),
            (r#"{"dtype":"float32"}"#, json!({"dtype": "bfloat16"})),
            (
                r#"{"dtype":null,"torch_dtype":"float32"}"#,
                json!({"dtype": "bfloat16", "torch_dtype": "bfloat16"}),
            ),
        ] {
            let written: Value = serde_json::from_str(&read(text).1.to_text("bfloat16")).unwrap();
            assert_eq!(written, expected);
        }
    }
}
