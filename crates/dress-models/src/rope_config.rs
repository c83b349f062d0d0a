//! The rotary embedding that a `config.json` asks for, by the rules of transformers 5.
//!
//! `rope_scaling`, the older key, goes before `rope_parameters` where it is not empty, and what it does not say comes
//! from the top level and not from the other key.

use crate::checkpoint::warn_once;
use crate::config_json::{ConfigJson, Unsupported, is_falsy};
use crate::modules::RopeScaling;
use serde_json::{Map, Value};

const DEFAULT_THETA: f64 = 10_000.0;

/// What there is.
const TYPES: &str = "only `default`, `linear` and `llama3` are built";

/// What the configuration says of the rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RopeConfig {
    /// The base of the frequencies.
    pub theta: f64,
    /// How they are stretched, if they are.
    pub scaling: Option<RopeScaling>,
    /// The share of each head that is rotated, where it is said.
    pub partial: Option<f64>,
}

/// The dictionary that counts and the key it stands under.
struct RopeKeys<'a> {
    raw: &'a ConfigJson,
    key: &'static str,
    nested: Map<String, Value>,
}

/// Reads what the configuration says of the rotary embedding.
pub(crate) fn rope_config(raw: &ConfigJson, positions: usize) -> Result<RopeConfig, Unsupported> {
    let keys = RopeKeys::of(raw)?;
    let theta = keys.theta()?;
    keys.warn_of_what_is_left_out(theta);
    Ok(RopeConfig { theta, scaling: keys.scaling(positions)?, partial: keys.partial()? })
}

impl<'a> RopeKeys<'a> {
    fn of(raw: &'a ConfigJson) -> Result<Self, Unsupported> {
        let (key, value) = match (raw.get("rope_scaling"), raw.get("rope_parameters")) {
            (Some(older), _) if !is_falsy(older) => ("rope_scaling", Some(older)),
            (_, Some(Value::Null) | None) => ("rope_parameters", None),
            (_, newer) => ("rope_parameters", newer),
        };
        let nested = match value {
            None => Map::new(),
            Some(Value::Object(nested)) => nested.clone(),
            Some(other) => return Err((key, format!("{other} is not a dictionary of settings"))),
        };
        match nested.iter().find(|(_, value)| value.is_object()) {
            Some((name, _)) => {
                Err((key, format!("settings of their own for `{name}` are not built; give one for all")))
            }
            None => Ok(Self { raw, key, nested }),
        }
    }

    fn theta(&self) -> Result<f64, Unsupported> {
        let value = self.nested.get("rope_theta").or(self.raw.get("rope_theta"));
        let Some(value) = value else { return Ok(DEFAULT_THETA) };
        match value.as_f64() {
            Some(theta) if theta > 0.0 && theta.is_finite() => Ok(theta),
            Some(theta) => Err(("rope_theta", format!("{theta} is not above 0"))),
            None => {
                Err(("rope_theta", format!("{value} is not a number; leave the key out for {DEFAULT_THETA}")))
            }
        }
    }

    fn kind(&self) -> Result<&str, Unsupported> {
        match self.nested.get("rope_type").or(self.nested.get("type")) {
            None => Ok("default"),
            Some(Value::String(kind)) => Ok(kind),
            Some(other) => Err((self.key, format!("the type is {other}, which is not a name; {TYPES}"))),
        }
    }

    fn scaling(&self, positions: usize) -> Result<Option<RopeScaling>, Unsupported> {
        match self.kind()? {
            "default" => Ok(None),
            "linear" => Ok(Some(RopeScaling::Linear { factor: self.need("factor")? })),
            "llama3" => self.llama3(positions).map(Some),
            other => Err((self.key, format!("type `{other}` is not built; {TYPES}"))),
        }
    }

    fn llama3(&self, positions: usize) -> Result<RopeScaling, Unsupported> {
        let (low_freq_factor, high_freq_factor) =
            (self.need("low_freq_factor")?, self.need("high_freq_factor")?);
        if low_freq_factor >= high_freq_factor {
            let (low, high) = (low_freq_factor, high_freq_factor);
            let reason = format!("`low_freq_factor` {low} is not below `high_freq_factor` {high}");
            return Err((self.key, reason));
        }
        let original = "original_max_position_embeddings";
        let original_max_position_embeddings = match self.raw.get(original).or(self.nested.get(original)) {
            Some(value) => self.above_zero(original, value)?,
            None => positions as f64,
        };
        Ok(RopeScaling::Llama3 {
            factor: self.need("factor")?,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        })
    }

    fn need(&self, name: &str) -> Result<f64, Unsupported> {
        match self.nested.get(name) {
            Some(value) => self.above_zero(name, value),
            None => Err((self.key, format!("`{name}` is missing"))),
        }
    }

    fn above_zero(&self, name: &str, value: &Value) -> Result<f64, Unsupported> {
        match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(number),
            _ => Err((self.key, format!("`{name}` is {value}, which is not a number above 0"))),
        }
    }

    fn partial(&self) -> Result<Option<f64>, Unsupported> {
        let key = "partial_rotary_factor";
        let Some(value) = self.nested.get(key).or(self.raw.get(key)) else { return Ok(None) };
        match value.as_f64() {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(Some(share)),
            _ => Err((key, format!("{value} is not a number above 0 and at most 1"))),
        }
    }

    /// Stock software drops these without a word as well, which is rarely what the author meant.
    fn warn_of_what_is_left_out(&self, theta: f64) {
        let theta_of = |value: Option<&Value>| value.and_then(Value::as_f64).filter(|found| *found != theta);
        let other = self.raw.get("rope_parameters").filter(|_| self.key == "rope_scaling");
        if let Some(other) = other.filter(|other| !is_falsy(other)) {
            let lost =
                theta_of(other.get("rope_theta")).map(|lost| format!(" and the base {lost} in it is lost"));
            warn_once(format!(
                "config.json has both `rope_scaling` and `rope_parameters`: as in transformers, `rope_scaling` counts, \
                 `rope_parameters` is ignored{}, and the base is {theta}; remove the one that is not meant",
                lost.unwrap_or_default()
            ));
        }
        if let Some(lost) = theta_of(self.raw.get("rope_theta")) {
            warn_once(format!(
                "config.json: `rope_theta` {lost} is ignored, since `{}` says {theta}; remove the one that is not meant",
                self.key
            ));
        }
        if self.nested.contains_key("factor") && self.kind() == Ok("default") {
            warn_once(format!(
                "config.json: the factor in `{}` is ignored, since its type is `default`",
                self.key
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const LLAMA3: &str = r#""rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0"#;

    fn read(text: &str) -> Result<RopeConfig, Unsupported> {
        let check = |_: Value, raw: ConfigJson| rope_config(&raw, 128);
        match ConfigJson::read(text, Path::new("config.json"), check) {
            Err(crate::Error::ConfigUnsupported { key, reason, .. }) => Err((key, reason)),
            read => Ok(read.unwrap()),
        }
    }

    fn theta_and_factor(text: &str) -> (f64, Option<f64>) {
        let read = read(text).unwrap();
        let factor = read.scaling.map(|scaling| match scaling {
            RopeScaling::Linear { factor } | RopeScaling::Llama3 { factor, .. } => factor,
        });
        (read.theta, factor)
    }

    /// Each as transformers 5.24 reads it.
    #[test]
    fn the_older_key_goes_first_unless_it_is_empty() {
        let new = r#""rope_parameters":{"rope_type":"linear","factor":4.0,"rope_theta":500000.0}"#;
        let cases = [
            (r#""rope_scaling":{"type":"linear","factor":2.0}"#, (10_000.0, Some(2.0))),
            (r#""rope_scaling":{"type":"linear","factor":2.0},"rope_theta":7.0"#, (7.0, Some(2.0))),
            (
                r#""rope_scaling":{"type":"linear","factor":2.0,"rope_theta":9.0},"rope_theta":7.0"#,
                (9.0, Some(2.0)),
            ),
            (r#""rope_scaling":{},"rope_theta":7.0"#, (500_000.0, Some(4.0))),
            (r#""rope_scaling":null"#, (500_000.0, Some(4.0))),
            (r#""rope_scaling":false"#, (500_000.0, Some(4.0))),
        ];
        for (old, expected) in cases {
            assert_eq!(theta_and_factor(&format!("{{{old},{new}}}")), expected, "{old}");
        }
        assert_eq!(theta_and_factor(r#"{"rope_parameters":null,"rope_theta":7.0}"#), (7.0, None));
        assert_eq!(theta_and_factor("{}"), (10_000.0, None));
    }

    #[test]
    fn rope_type_goes_before_type_and_a_factor_alone_is_ignored() {
        let both = r#"{"rope_scaling":{"type":"default","rope_type":"linear","factor":2.0}}"#;
        assert_eq!(theta_and_factor(both), (10_000.0, Some(2.0)));
        let both = r#"{"rope_scaling":{"type":"linear","rope_type":"default","factor":2.0}}"#;
        assert_eq!(theta_and_factor(both), (10_000.0, None));
        assert_eq!(theta_and_factor(r#"{"rope_scaling":{"factor":2.0}}"#), (10_000.0, None));
    }

    #[test]
    fn the_first_context_is_at_the_top_or_beside_the_factor_or_the_whole() {
        let original = |text: &str| match read(text).unwrap().scaling.unwrap() {
            RopeScaling::Llama3 { original_max_position_embeddings, .. } => original_max_position_embeddings,
            other => panic!("{other:?}"),
        };
        let nested = r#","original_max_position_embeddings":32"#;
        assert_eq!(original(&format!(r#"{{"rope_scaling":{{{LLAMA3}}}}}"#)), 128.0);
        assert_eq!(original(&format!(r#"{{"rope_scaling":{{{LLAMA3}{nested}}}}}"#)), 32.0);
        let top = r#","original_max_position_embeddings":16"#;
        assert_eq!(original(&format!(r#"{{"rope_scaling":{{{LLAMA3}{nested}}}{top}}}"#)), 16.0);
    }

    #[test]
    fn what_stock_software_stumbles_over_is_refused() {
        for (text, key, says) in [
            (r#"{"rope_theta":null}"#, "rope_theta", "null is not a number"),
            (r#"{"rope_parameters":{"rope_theta":null},"rope_theta":7.0}"#, "rope_theta", "null"),
            (r#"{"rope_theta":"10000"}"#, "rope_theta", "not a number"),
            (r#"{"rope_scaling":{"rope_type":null,"type":"linear","factor":2.0}}"#, "rope_scaling", "null"),
            (r#"{"rope_scaling":{"type":"linear"}}"#, "rope_scaling", "`factor` is missing"),
            (r#"{"rope_scaling":{"type":"linear","factor":null}}"#, "rope_scaling", "`factor` is null"),
            (r#"{"rope_scaling":"linear"}"#, "rope_scaling", "not a dictionary"),
            (r#"{"rope_parameters":[2.0]}"#, "rope_parameters", "not a dictionary"),
            (
                r#"{"rope_parameters":{"full_attention":{"rope_theta":7.0}}}"#,
                "rope_parameters",
                "`full_attention`",
            ),
            (
                r#"{"rope_scaling":{"type":"yarn"},"rope_parameters":{"rope_theta":7.0}}"#,
                "rope_scaling",
                "`yarn`",
            ),
            (r#"{"partial_rotary_factor":null}"#, "partial_rotary_factor", "null"),
            (r#"{"rope_parameters":{"partial_rotary_factor":1.5}}"#, "partial_rotary_factor", "1.5"),
        ] {
            let (found, reason) = read(text).unwrap_err();
            assert!(found == key && reason.contains(says), "{text}: {found}: {reason}");
        }
    }
}
