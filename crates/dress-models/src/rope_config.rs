//! The rotary embedding that a `config.json` asks for, by the rules of transformers 5.
//!
//! `rope_scaling`, the older key, goes before `rope_parameters` where it is not empty, and what it does not say comes
//! from the top level and not from the other key. What is written has both, since some software reads one alone.

use crate::checkpoint::warn_once;
use crate::config_json::{ConfigJson, Unsupported, is_falsy};
use crate::modules::{LongRope, RopeScaling};
use serde_json::{Map, Value};

mod long_rope;

const DEFAULT_THETA: f64 = 10_000.0;

pub(crate) const THETA: &str = "rope_theta";
pub(crate) const PARTIAL: &str = "partial_rotary_factor";
pub(crate) const ORIGINAL: &str = "original_max_position_embeddings";

/// What there is.
const TYPES: &str = "only `default`, `linear` and `llama3` are built";

/// What a family takes for granted of the rotary embedding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RopeDefaults {
    /// The base of the frequencies, where nothing says it.
    pub theta: f64,
    /// Whether `longrope` is a type of its scaling, with the context of the first training where nothing says it.
    pub long_rope: Option<usize>,
}

impl RopeDefaults {
    /// Those of most families.
    pub const USUAL: Self = Self { theta: DEFAULT_THETA, long_rope: None };
}

/// What the configuration says of the rotary embedding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RopeConfig {
    /// The base of the frequencies.
    pub theta: f64,
    /// How they are stretched, if they are.
    pub scaling: Option<RopeScaling>,
    /// What each of them is divided by, where each has its own divisor.
    pub long_rope: Option<LongRope>,
    /// The share of each head that is rotated, where it is said.
    pub partial: Option<f64>,
}

/// The dictionary that counts and the key it stands under.
pub(crate) struct RopeKeys<'a> {
    raw: &'a ConfigJson,
    pub key: &'static str,
    pub nested: Map<String, Value>,
    defaults: RopeDefaults,
}

/// Reads what the configuration says of the rotary embedding.
pub(crate) fn rope_config(
    raw: &ConfigJson,
    positions: usize,
    defaults: RopeDefaults,
) -> Result<RopeConfig, Unsupported> {
    let keys = RopeKeys { defaults, ..RopeKeys::of(raw)? };
    let theta = keys.theta()?;
    keys.warn_of_what_is_left_out(theta, positions);
    let (long_rope, partial) = (keys.long_rope(positions)?, keys.partial()?);
    let scaling = if long_rope.is_some() { None } else { keys.scaling(positions)? };
    Ok(RopeConfig { theta, scaling, long_rope, partial })
}

/// The first `dims` of a head's dimensions, where they can be rotated in pairs.
///
/// # Errors
/// Why they cannot.
pub(crate) fn in_pairs(dims: usize, head_dim: usize) -> Result<usize, String> {
    if head_dim > 1 << 12 || dims > head_dim || dims == 0 || !dims.is_multiple_of(2) {
        return Err(format!("{dims} of {head_dim} dimensions cannot be rotated in pairs"));
    }
    Ok(dims)
}

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

impl<'a> RopeKeys<'a> {
    pub fn of(raw: &'a ConfigJson) -> Result<Self, Unsupported> {
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
            None => Ok(Self { raw, key, nested, defaults: RopeDefaults::USUAL }),
        }
    }

    fn theta(&self) -> Result<f64, Unsupported> {
        let value = self.nested.get(THETA).or(self.raw.get(THETA));
        let Some(value) = value else { return Ok(self.defaults.theta) };
        match value.as_f64() {
            Some(theta) if theta > 0.0 && theta.is_finite() => Ok(theta),
            Some(theta) => Err((THETA, format!("{theta} is not above 0"))),
            None => {
                let reason =
                    format!("{value} is not a number; leave the key out for {}", self.defaults.theta);
                Err((THETA, reason))
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
        let original_max_position_embeddings = match self.raw.get(ORIGINAL).or(self.nested.get(ORIGINAL)) {
            Some(value) => self.above_zero(ORIGINAL, value)?,
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
        let Some(value) = self.nested.get(PARTIAL).or(self.raw.get(PARTIAL)) else { return Ok(None) };
        match value.as_f64() {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(Some(share)),
            _ => Err((PARTIAL, format!("{value} is not a number above 0 and at most 1"))),
        }
    }

    /// Whether the newer key's dictionary asks for the same as this one.
    fn agrees_with(&self, newer: &Value, positions: usize) -> bool {
        let Some(nested) = newer.as_object().cloned() else { return false };
        let newer = Self { raw: self.raw, key: self.key, nested, defaults: self.defaults };
        newer.theta() == self.theta()
            && newer.scaling(positions) == self.scaling(positions)
            && newer.long_rope(positions) == self.long_rope(positions)
            && newer.partial() == self.partial()
    }

    /// Stock software drops these without a word as well, which is rarely what the author meant.
    fn warn_of_what_is_left_out(&self, theta: f64, positions: usize) {
        let theta_of = |value: Option<&Value>| value.and_then(Value::as_f64).filter(|found| *found != theta);
        let other = self.raw.get("rope_parameters").filter(|_| self.key == "rope_scaling");
        if let Some(other) = other.filter(|other| !is_falsy(other) && !self.agrees_with(other, positions)) {
            let lost = theta_of(other.get(THETA)).map(|lost| format!(" and the base {lost} in it is lost"));
            warn_once(format!(
                "config.json has both `rope_scaling` and `rope_parameters`: as in transformers, `rope_scaling` counts, \
                 `rope_parameters` is ignored{}, and the base is {theta}; remove the one that is not meant",
                lost.unwrap_or_default()
            ));
        }
        if let Some(lost) = theta_of(self.raw.get(THETA)) {
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
    use crate::rope_keys_written::in_both_spellings;
    use serde_json::json;
    use std::path::Path;

    const LLAMA3: &str = r#""rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0"#;

    fn read(text: &str) -> Result<RopeConfig, Unsupported> {
        let check = |_: Value, raw: ConfigJson| rope_config(&raw, 128, RopeDefaults::USUAL);
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
            // What is written of it has both spellings.
            assert!(text == "no JSON" || !in_rope_parameters_alone(&written(text).1), "{text}");
        }
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

    /// The keys that are written of a text, and the whole text with them.
    fn written(text: &str) -> (Map<String, Value>, String) {
        let write = |_: Value, raw: ConfigJson| {
            let keys = in_both_spellings(&raw, &rope_config(&raw, 128, RopeDefaults::USUAL)?);
            let text = raw.with(&keys).to_text("float32");
            Ok((keys.into_iter().map(|(key, value)| (key.to_string(), value)).collect(), text))
        };
        ConfigJson::read(text, Path::new("config.json"), write).unwrap()
    }

    #[test]
    fn whatever_the_spelling_that_is_read_both_are_written_and_mean_the_same() {
        for text in [
            "{}",
            r#"{"rope_theta":500000}"#,
            r#"{"rope_parameters":{"rope_type":"default","rope_theta":500000.0,"partial_rotary_factor":0.4}}"#,
            r#"{"partial_rotary_factor":0.4,"rope_scaling":{"type":"linear","factor":2}}"#,
            r#"{"rope_scaling":{"type":"default","rope_type":"linear","factor":2.0},"rope_theta":7.0}"#,
            r#"{"rope_scaling":{"factor":2.0},"rope_parameters":{"rope_type":"linear","factor":4.0}}"#,
            &format!(r#"{{"rope_scaling":{{{LLAMA3},"rope_theta":9.0}},"rope_theta":7.0}}"#),
            &format!(r#"{{"rope_parameters":{{{LLAMA3},"rope_theta":9.0}}}}"#),
        ] {
            let (keys, whole) = written(text);
            let meant = read(text).unwrap();
            assert_eq!(read(&whole).unwrap(), meant, "{text}");
            // Software that knows one of the spellings alone.
            for left_out in
                [&["rope_parameters"][..], &["rope_scaling", "rope_theta", "partial_rotary_factor"]]
            {
                let mut some = keys.clone();
                left_out.iter().for_each(|key| _ = some.remove(*key));
                let some = Value::Object(some).to_string();
                assert_eq!(read(&some).unwrap(), meant, "{text} without {left_out:?}");
            }
            assert_eq!(written(&whole).1, whole, "{text}");
        }
    }

    #[test]
    fn what_is_written_already_stays_as_it_is_written() {
        let (keys, _) =
            written(r#"{"rope_theta":500000,"rope_scaling":{"type":"linear","factor":2,"note":"mine"}}"#);
        let expected = json!({ "rope_theta": 500_000,
            "rope_scaling": { "type": "linear", "rope_type": "linear", "factor": 2, "note": "mine" },
            "rope_parameters":
                { "type": "linear", "rope_type": "linear", "factor": 2, "note": "mine", "rope_theta": 500_000 } });
        assert_eq!(Value::Object(keys), expected);
        let (keys, _) = written(r#"{"rope_theta":500000.0}"#);
        assert_eq!(keys["rope_scaling"], Value::Null);
        let (keys, _) =
            written(&format!(r#"{{"rope_parameters":{{{LLAMA3},"original_max_position_embeddings":32}}}}"#));
        assert_eq!(keys["rope_scaling"][ORIGINAL].to_string(), "32");
        assert_eq!(keys["rope_scaling"].get(THETA), None);
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
