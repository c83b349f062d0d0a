//! Which layers see a window of the text alone.

use super::DecoderConfig;
use super::keys::{flag, size};
use crate::config_json::{ConfigJson, Unsupported};
use serde_json::{Value, json};

const KEY: &str = "layer_types";
const FULL: &str = "full_attention";
/// Its older name, which stock reads as the newer.
const FORMERLY: &str = "attention";
const SLIDING: &str = "sliding_attention";

/// By layer, whether `layer_types` says that it sees a window alone; `otherwise` where the key is not there.
///
/// # Errors
/// Where the list is of another length than the layers or names another kind of layer.
fn sliding_layers(
    raw: &ConfigJson,
    layers: usize,
    otherwise: impl Fn(usize) -> bool,
) -> Result<Vec<bool>, Unsupported> {
    let Some(value) = raw.get(KEY).filter(|value| !value.is_null()) else {
        return Ok((0..layers).map(otherwise).collect());
    };
    let list = value.as_array().ok_or_else(|| (KEY, format!("{value} is not a list")))?;
    if list.len() != layers {
        return Err((KEY, format!("it has {} names, and there are {layers} layers", list.len())));
    }
    let sliding = |kind: &Value| match kind.as_str() {
        Some(FULL | FORMERLY) => Ok(false),
        Some(SLIDING) => Ok(true),
        _ => Err((KEY, format!("{kind} is not built, only {FULL} and {SLIDING}"))),
    };
    list.iter().map(sliding).collect()
}

/// The windows of layers of which some see `window` keys alone and the others all.
///
/// # Errors
/// Those of the list, and where it names layers with a window and there is none.
pub(super) fn windows(
    raw: &ConfigJson,
    layers: usize,
    window: Option<usize>,
    otherwise: impl Fn(usize) -> bool,
) -> Result<Vec<Option<usize>>, Unsupported> {
    let sliding = sliding_layers(raw, layers, otherwise)?;
    if window.is_none() && sliding.contains(&true) {
        return Err((KEY, format!("{SLIDING} needs `sliding_window`, and there is none")));
    }
    Ok(sliding.into_iter().map(|sliding| window.filter(|_| sliding)).collect())
}

/// One window for all layers: `sliding_window`, or `missing` where the key is not there.
pub(super) fn read_of_all(
    raw: &ConfigJson,
    config: &mut DecoderConfig,
    missing: Option<usize>,
) -> Result<(), Unsupported> {
    let window = size(raw, "sliding_window", missing)?;
    config.windows = windows(raw, config.num_hidden_layers, window, |_| window.is_some())?;
    // Stock goes by the window alone, whatever the list says.
    if config.windows.iter().any(|found| *found != window) {
        let reason = "layers of this family are all of one kind: it has to say the same as `sliding_window`";
        return Err((KEY, reason.into()));
    }
    Ok(())
}

/// Qwen's windows: `sliding_window` counts where `use_sliding_window` is true, in the layers of `layer_types`
/// or from `max_window_layers` on.
pub(super) fn read_of_qwen(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    let window = size(raw, "sliding_window", Some(4096))?;
    let window = if flag(raw, "use_sliding_window")? { window } else { None };
    let full = raw.get("max_window_layers").map_or(Some(28), Value::as_u64);
    let full = full.ok_or_else(|| ("max_window_layers", "it is not a whole number".to_string()))?;
    let otherwise = |layer: usize| window.is_some() && layer as u64 >= full;
    config.windows = windows(raw, config.num_hidden_layers, window, otherwise)?;
    Ok(())
}

/// The keys of [`read_of_qwen`] after layers went.
pub(super) fn write_of_qwen(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let mut keys = write(config);
    if config.windows.iter().any(Option::is_some) {
        let full = config.windows.iter().take_while(|window| window.is_none()).count();
        keys.push(("max_window_layers", json!(full)));
    }
    keys
}

/// The list of the layers that stay, where the file has a list or layers differ.
pub(super) fn write(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let differ = config.windows.windows(2).any(|pair| pair[0] != pair[1]);
    if differ || config.says(KEY) { vec![list(config)] } else { Vec::new() }
}

/// The list of the layers that stay.
pub(super) fn list(config: &DecoderConfig) -> (&'static str, Value) {
    let name = |window: &Option<usize>| if window.is_some() { SLIDING } else { FULL };
    (KEY, config.windows.iter().map(name).collect())
}

/// Whether a pattern that the file gives as a number is not that of the layers any more.
pub(super) fn is_pattern_stale(config: &DecoderConfig) -> bool {
    let pattern =
        ["sliding_window_pattern", "_sliding_window_pattern"].iter().find_map(|key| config.said(key));
    let Some(pattern) = pattern.and_then(Value::as_u64).filter(|&pattern| pattern > 0) else { return false };
    let sliding = |layer: usize| !(layer as u64 + 1).is_multiple_of(pattern);
    config.windows.iter().enumerate().any(|(layer, window)| window.is_some() != sliding(layer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const QWEN2: &str = r#"{"model_type":"qwen2","vocab_size":9,"hidden_size":8,"intermediate_size":12,
        "num_hidden_layers":4,"num_attention_heads":2,"num_key_value_heads":1,"use_sliding_window":true,
        "sliding_window":16,"max_window_layers":2}"#;

    fn read(text: &str) -> Result<DecoderConfig, crate::Error> {
        DecoderConfig::from_json(text, Path::new("config.json"))
    }

    fn with(keys: &str) -> String {
        QWEN2.replacen('{', &format!("{{{keys},"), 1)
    }

    #[test]
    fn windows_are_of_the_layers_that_a_number_or_a_list_says() {
        let windows = |text: &str| read(text).unwrap().windows;
        assert_eq!(windows(QWEN2), [None, None, Some(16), Some(16)]);
        let off = QWEN2.replace("\"use_sliding_window\":true", "\"use_sliding_window\":false");
        assert_eq!(windows(&off), [None; 4]);
        let list = with(
            r#""layer_types":["sliding_attention","full_attention","full_attention","sliding_attention"]"#,
        );
        assert_eq!(windows(&list), [Some(16), None, None, Some(16)]);
        let older = list.replace("full_attention", "attention");
        assert_eq!(windows(&older), [Some(16), None, None, Some(16)]);
        let written = read(&older).unwrap().to_json("float32");
        assert!(written.contains("\"full_attention\"") && !written.contains("\"attention\""), "{written}");
    }

    #[test]
    fn a_layer_that_goes_takes_its_entry_with_it() {
        let mut config = read(QWEN2).unwrap();
        config.windows.remove(0);
        config.num_hidden_layers = 3;
        let again = read(&config.to_json("float32"));
        assert_eq!(again.unwrap().windows, [None, Some(16), Some(16)]);
    }

    #[test]
    fn lists_that_do_not_fit_are_refused_by_their_key() {
        for (keys, says) in [
            (r#""layer_types":["full_attention"]"#, "1 names, and there are 4 layers"),
            (r#""layer_types":[1,2,3,4]"#, "1 is not built"),
            (r#""layer_types":7"#, "7 is not a list"),
        ] {
            let message = read(&with(keys)).unwrap_err().to_string();
            assert!(message.contains("layer_types") && message.contains(says), "{message}");
        }
    }
}
