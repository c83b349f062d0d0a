//! Rotary settings that a family has apart for each kind of layer, as Gemma 3 has them.
//!
//! transformers 5.24 reads them by other rules than those of the other families: `rope_scaling` is laid over
//! what `rope_parameters` says of the layers that see the whole text, and beside the two bases nothing counts
//! that stands at the top or outside of the kinds.

use super::FamilyRules;
use crate::checkpoint::warn_once;
use crate::config_json::{ConfigJson, Unsupported};
use crate::rope_config::{ORIGINAL, PARTIAL};
use serde_json::{Map, Value, json};

const NEWER: &str = "rope_parameters";
const OLDER: &str = "rope_scaling";
const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

type Settings = Map<String, Value>;

/// The file with the rotary settings of the layers that see the whole text alone, where the family has those
/// of the others apart.
///
/// # Errors
/// What transformers stumbles over.
pub(super) fn of_full_attention(raw: &ConfigJson, family: &FamilyRules) -> Result<ConfigJson, Unsupported> {
    if !family.local_theta {
        return Ok(raw.clone());
    }
    let older = settings(OLDER, raw.get(OLDER))?.unwrap_or_default();
    let full = kind_of_layer(raw, FULL)?;
    let is_said = |key: &str| raw.get(key).is_some_and(|value| !value.is_null());
    if full.is_none() && is_said(NEWER) && is_said(OLDER) {
        let reason = format!(
            "transformers lays it over `{FULL}` of `{NEWER}`, which is not there; move it to that place"
        );
        return Err((OLDER, reason));
    }
    let mut full = full.unwrap_or_else(usual);
    let key = if older.is_empty() { NEWER } else { OLDER };
    full.extend(older);
    warn_of_what_is_left_out(raw, &full, key);
    let rest = [NEWER, OLDER, PARTIAL, ORIGINAL].into_iter().fold(raw.clone(), ConfigJson::without);
    Ok(rest.with(&[(key, Value::Object(full))]))
}

/// The rotary base of the layers that see a window alone, which are not stretched.
pub(super) fn local_theta(raw: &ConfigJson) -> Result<f64, Unsupported> {
    let sliding = kind_of_layer(raw, SLIDING)?.unwrap_or_else(usual);
    if let Some(kind) = sliding.get("rope_type").or(sliding.get("type")).filter(|kind| **kind != "default") {
        return Err((NEWER, format!("{kind} is not built for `{SLIDING}`, only default")));
    }
    let said = sliding.get("rope_theta").or(raw.get("rope_local_base_freq"));
    let Some(value) = said else { return Ok(10_000.0) };
    match value.as_f64() {
        Some(theta) if theta > 0.0 && theta.is_finite() => Ok(theta),
        _ => Err(("rope_local_base_freq", format!("{value} is not a number above 0"))),
    }
}

/// The keys of one rotary setting, as those of the layers that see the whole text.
pub(super) fn with_local_theta(keys: Vec<(&'static str, Value)>, theta: f64) -> Vec<(&'static str, Value)> {
    let apart = |(key, value): (&'static str, Value)| match key {
        NEWER => {
            let sliding = json!({ "rope_type": "default", "rope_theta": theta });
            (key, json!({ FULL: value, SLIDING: sliding }))
        }
        _ => (key, value),
    };
    keys.into_iter().map(apart).chain([("rope_local_base_freq", json!(theta))]).collect()
}

/// What is taken for a kind of layer of which nothing is said.
fn usual() -> Settings {
    Map::from_iter([("rope_type".to_string(), json!("default"))])
}

/// What `rope_parameters` says of a kind of layer.
fn kind_of_layer(raw: &ConfigJson, kind: &str) -> Result<Option<Settings>, Unsupported> {
    let kinds = settings(NEWER, raw.get(NEWER))?.unwrap_or_default();
    settings(NEWER, kinds.get(kind))
}

fn settings(key: &'static str, value: Option<&Value>) -> Result<Option<Settings>, Unsupported> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(settings)) => Ok(Some(settings.clone())),
        Some(other) => Err((key, format!("{other} is not a dictionary of settings"))),
    }
}

/// Stock software passes over these without a word, which is rarely what the author meant.
fn warn_of_what_is_left_out(raw: &ConfigJson, full: &Settings, key: &str) {
    let newer = raw.get(NEWER).and_then(Value::as_object);
    let outside = newer.and_then(|newer| newer.keys().find(|key| ![FULL, SLIDING].contains(&key.as_str())));
    if let Some(outside) = outside {
        warn_once(format!(
            "config.json: `{outside}` in `{NEWER}` is passed over, as in transformers, which reads `{FULL}` and `{SLIDING}` \
             there for this family"
        ));
    }
    match (full.get("rope_type"), full.get("type")) {
        (Some(kind), Some(passed)) if kind != passed => warn_once(format!(
            "config.json: `type` {passed} in `{key}` is passed over, as in transformers: in this family the type is `default` \
             unless `rope_type` says otherwise"
        )),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::decoder::DecoderConfig;
    use crate::in_rope_parameters_alone;
    use crate::modules::RopeScaling;
    use std::path::Path;

    const LLAMA3: &str = r#""rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0"#;

    fn read(keys: &str) -> Result<DecoderConfig, crate::Error> {
        let text = format!(
            r#"{{"model_type":"gemma3_text","vocab_size":9,"hidden_size":16,"intermediate_size":12,"num_hidden_layers":4,
            "num_attention_heads":2,"num_key_value_heads":1,"head_dim":8,"sliding_window":6,"sliding_window_pattern":2,
            "max_position_embeddings":128,{keys}}}"#
        );
        DecoderConfig::from_json(&text, Path::new("config.json"))
    }

    fn meant(config: &DecoderConfig) -> (f64, Option<f64>, Option<RopeScaling>) {
        (config.rope_theta, config.local_theta, config.rope_scaling)
    }

    /// Each as `Gemma3TextConfig` of transformers 5.24 reads it.
    #[test]
    fn settings_are_laid_over_each_other_as_in_stock() {
        let linear = |factor| Some(RopeScaling::Linear { factor });
        let usual = (1e6, Some(1e4), None);
        for (keys, expected) in [
            // The type is `default` before `type` is looked at.
            (r#""rope_scaling":{"type":"linear","factor":8.0}"#, usual),
            (r#""rope_scaling":{"rope_type":"linear","factor":8.0}"#, (1e6, Some(1e4), linear(8.0))),
            (
                r#""rope_scaling":{"type":"linear","factor":8.0},
                    "rope_parameters":{"full_attention":{"rope_theta":500000.0}}"#,
                (500_000.0, Some(1e4), linear(8.0)),
            ),
            (
                r#""rope_scaling":{"rope_type":"linear","factor":8.0},"rope_parameters":{
                    "full_attention":{"rope_type":"default","rope_theta":500000.0},
                    "sliding_attention":{"rope_type":"default","rope_theta":10000.0}}"#,
                (500_000.0, Some(1e4), linear(8.0)),
            ),
            (
                r#""rope_scaling":{"factor":4.0},
                    "rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0}}"#,
                (1e6, Some(1e4), linear(4.0)),
            ),
            (
                r#""rope_scaling":{"rope_type":"linear","factor":8.0,"rope_theta":3.0},"rope_theta":7.0"#,
                (3.0, Some(1e4), linear(8.0)),
            ),
            (r#""rope_parameters":{"rope_type":"default","rope_theta":500000.0}"#, usual),
            (
                r#""rope_parameters":{"rope_type":"default","rope_theta":500000.0},"rope_theta":7.0"#,
                (7.0, Some(1e4), None),
            ),
            (
                r#""rope_parameters":{"sliding_attention":{"rope_type":"default","rope_theta":7.0}}"#,
                (1e6, Some(7.0), None),
            ),
            (
                r#""rope_parameters":{"full_attention":null,"sliding_attention":null},"rope_theta":5.0,
                    "rope_local_base_freq":3.0"#,
                (5.0, Some(3.0), None),
            ),
            (r#""rope_parameters":{},"rope_scaling":null,"rope_theta":5.0"#, (5.0, Some(1e4), None)),
            (r#""rope_scaling":{}"#, usual),
            (
                r#""rope_scaling":{"rope_type":"linear","factor":8.0},"partial_rotary_factor":0.5"#,
                (1e6, Some(1e4), linear(8.0)),
            ),
        ] {
            let config = read(keys).unwrap();
            assert_eq!(meant(&config), expected, "{keys}");
            let written = config.to_json("float32");
            let again = DecoderConfig::from_json(&written, Path::new("config.json")).unwrap();
            assert_eq!(meant(&again), expected, "{written}");
            assert!(!in_rope_parameters_alone(&written), "{written}");
        }
    }

    #[test]
    fn the_first_context_at_the_top_is_not_that_of_a_kind_of_layer() {
        let original = |keys: String| match read(&keys).unwrap().rope_scaling {
            Some(RopeScaling::Llama3 { original_max_position_embeddings, .. }) => {
                original_max_position_embeddings
            }
            other => panic!("{other:?}"),
        };
        let top = r#""original_max_position_embeddings":32"#;
        assert_eq!(original(format!(r#"{top},"rope_parameters":{{"full_attention":{{{LLAMA3}}}}}"#)), 128.0);
        let beside = r#""original_max_position_embeddings":16"#;
        assert_eq!(original(format!(r#"{top},"rope_scaling":{{{LLAMA3},{beside}}}"#)), 16.0);
    }

    #[test]
    fn what_stock_software_stumbles_over_is_refused() {
        let scaling = r#""rope_scaling":{"rope_type":"linear","factor":4.0}"#;
        for (keys, says) in [
            (
                format!(r#"{scaling},"rope_parameters":{{"rope_theta":500000.0}}"#),
                "`rope_scaling`: transformers lays it",
            ),
            (format!(r#"{scaling},"rope_parameters":{{"full_attention":null}}"#), "move it to that place"),
            (r#""rope_scaling":{},"rope_parameters":{}"#.into(), "move it to that place"),
            (r#""rope_scaling":false"#.into(), "false is not a dictionary"),
            (r#""rope_parameters":[1]"#.into(), "[1] is not a dictionary"),
            (r#""rope_parameters":{"full_attention":5}"#.into(), "5 is not a dictionary"),
            (r#""rope_parameters":{"sliding_attention":{"type":"linear","factor":2.0}}"#.into(), "linear"),
            (r#""rope_local_base_freq":null"#.into(), "null is not a number above 0"),
        ] {
            let message = read(&keys).unwrap_err().to_string();
            assert!(message.contains(says), "{keys}: {message}");
        }
    }
}
