//! Rotary settings that a configuration has and that do not count.

use super::{RopeKeys, THETA};
use crate::checkpoint::warn_once;
use crate::config_json::is_falsy;
use serde_json::Value;

impl RopeKeys<'_> {
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
    pub(super) fn warn_of_what_is_left_out(&self, theta: f64, positions: usize) {
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
