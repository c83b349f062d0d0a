//! The dictionary of rotary settings that counts, and what its keys say.

use super::{ORIGINAL, PARTIAL, RopeDefaults, THETA};
use crate::config_json::{ConfigJson, Unsupported, is_falsy};
use crate::modules::RopeScaling;
use serde_json::{Map, Value};

/// What there is.
const TYPES: &str = "only `default`, `linear` and `llama3` are built";

/// The dictionary that counts and the key it stands under.
pub(crate) struct RopeKeys<'a> {
    pub(super) raw: &'a ConfigJson,
    pub key: &'static str,
    pub nested: Map<String, Value>,
    pub(super) defaults: RopeDefaults,
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

    pub(super) fn theta(&self) -> Result<f64, Unsupported> {
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

    pub(super) fn kind(&self) -> Result<&str, Unsupported> {
        match self.nested.get("rope_type").or(self.nested.get("type")) {
            None => Ok("default"),
            Some(Value::String(kind)) => Ok(kind),
            Some(other) => Err((self.key, format!("the type is {other}, which is not a name; {TYPES}"))),
        }
    }

    pub(super) fn scaling(&self, positions: usize) -> Result<Option<RopeScaling>, Unsupported> {
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

    pub(super) fn above_zero(&self, name: &str, value: &Value) -> Result<f64, Unsupported> {
        match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(number),
            _ => Err((self.key, format!("`{name}` is {value}, which is not a number above 0"))),
        }
    }

    pub(super) fn partial(&self) -> Result<Option<f64>, Unsupported> {
        let Some(value) = self.nested.get(PARTIAL).or(self.raw.get(PARTIAL)) else { return Ok(None) };
        match value.as_f64() {
            Some(share) if share > 0.0 && share <= 1.0 => Ok(Some(share)),
            _ => Err((PARTIAL, format!("{value} is not a number above 0 and at most 1"))),
        }
    }
}
