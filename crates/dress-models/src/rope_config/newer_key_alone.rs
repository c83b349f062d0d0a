//! Rotary settings that stand under the newer key alone.

use super::{DEFAULT_THETA, PARTIAL, THETA};
use crate::config_json::is_falsy;
use serde_json::Value;

/// Whether the text of a `config.json` says other rotary settings than the usual ones in `rope_parameters` alone, as
/// transformers 5 writes them. Some software looks for them under the older keys only.
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
    let older = [THETA, "rope_scaling", PARTIAL].into_iter().any(|key| !is_falsy(&config[key]));
    let theta = newer.get(THETA).and_then(Value::as_f64).is_some_and(|theta| theta != DEFAULT_THETA);
    let kind = newer.get("rope_type").or(newer.get("type")).is_some_and(|kind| kind != "default");
    !older && (theta || kind || newer.contains_key(PARTIAL))
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
        ] {
            assert_eq!(in_rope_parameters_alone(text), alone, "{text}");
        }
    }
}
