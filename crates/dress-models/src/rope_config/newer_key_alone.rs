//! Rotary settings that stand under the newer key alone.

use super::{DEFAULT_THETA, PARTIAL, THETA};
use crate::config_json::is_falsy;
use serde_json::{Map, Value};

/// Whether the text of a `config.json` says other rotary settings than the usual ones in `rope_parameters`
/// alone, as transformers 5 writes them, for all layers or for each kind of layer. Some software looks for
/// them under the older keys only.
///
/// # Examples
/// ```
/// use dress_models::in_rope_parameters_alone;
///
/// let newer = r#""rope_parameters": { "rope_type": "default", "rope_theta": 500000.0 }"#;
/// assert!(in_rope_parameters_alone(&format!("{{ {newer} }}")));
/// assert!(!in_rope_parameters_alone(&format!(r#"{{ {newer}, "rope_theta": 500000.0 }}"#)));
/// ```
pub fn in_rope_parameters_alone(config: &str) -> bool {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let Some(newer) = config["rope_parameters"].as_object() else { return false };
    let is_said = |keys: &[&str]| keys.iter().any(|key| !is_falsy(&config[*key]));
    let kind = |name: &str| newer.get(name).and_then(Value::as_object);
    let full = kind("full_attention").unwrap_or(newer);
    (is_unusual(full) && !is_said(&[THETA, "rope_scaling", PARTIAL]))
        || (kind("sliding_attention").is_some_and(is_unusual) && !is_said(&["rope_local_base_freq"]))
}

/// Whether software that does not see these settings takes others.
fn is_unusual(settings: &Map<String, Value>) -> bool {
    let theta = settings.get(THETA).and_then(Value::as_f64).is_some_and(|theta| theta != DEFAULT_THETA);
    let kind = settings.get("rope_type").or(settings.get("type")).is_some_and(|kind| kind != "default");
    theta || kind || settings.contains_key(PARTIAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_software_of_the_older_keys_does_not_see_are_told() {
        for (text, alone) in [
            (r#"{"rope_parameters":{"rope_type":"default","rope_theta":10000.0}}"#, false),
            (r#"{"rope_parameters":{"rope_theta":10000.0,"partial_rotary_factor":0.5}}"#, true),
            (r#"{"rope_parameters":{"rope_type":"linear","factor":2.0}}"#, true),
            (r#"{"rope_parameters":{"rope_theta":7.0},"rope_scaling":null}"#, true),
            (r#"{"rope_parameters":{"rope_theta":7.0},"rope_theta":7.0}"#, false),
            (r#"{"rope_parameters":null}"#, false),
            (r#"{"rope_scaling":{"rope_type":"linear","factor":2.0}}"#, false),
            ("no JSON", false),
            // As transformers writes Gemma 3's, one dictionary for each kind of layer.
            (
                r#"{"rope_parameters":{"full_attention":{"rope_theta":1000000.0,"rope_type":"default"},
                    "sliding_attention":{"rope_theta":10000.0,"rope_type":"default"}}}"#,
                true,
            ),
            (
                r#"{"rope_theta":1000000.0,
                    "rope_parameters":{"full_attention":{"rope_theta":1000000.0,"rope_type":"default"},
                    "sliding_attention":{"rope_theta":10000.0,"rope_type":"default"}}}"#,
                false,
            ),
            (
                r#"{"rope_theta":10000.0,
                    "rope_parameters":{"sliding_attention":{"rope_theta":5000.0,"rope_type":"default"}}}"#,
                true,
            ),
            (
                r#"{"rope_theta":10000.0,"rope_local_base_freq":5000.0,
                    "rope_parameters":{"sliding_attention":{"rope_theta":5000.0,"rope_type":"default"}}}"#,
                false,
            ),
        ] {
            assert_eq!(in_rope_parameters_alone(text), alone, "{text}");
        }
    }
}
