//! LongRoPE: a divisor for each frequency, and other ones beyond the context of the first training.

use super::{ORIGINAL, RopeKeys};
use crate::config_json::Unsupported;
use crate::modules::LongRope;
use serde_json::Value;

impl RopeKeys<'_> {
    /// LongRoPE, which Phi-3's first files call `su` or `yarn`.
    pub(super) fn long_rope(&self, positions: usize) -> Result<Option<LongRope>, Unsupported> {
        let Some(usual) = self.defaults.long_rope else { return Ok(None) };
        if !["longrope", "su", "yarn"].contains(&self.kind()?) {
            return Ok(None);
        }
        let original = match self.raw.get(ORIGINAL) {
            Some(value) => first_context(value)?,
            None => usual as f64,
        };
        let given = |name: &str| match self.nested.get(name).filter(|value| !value.is_null()) {
            Some(value) => self.above_zero(name, value).map(Some),
            None => Ok(None),
        };
        let factor = given("factor")?.unwrap_or(positions as f64 / original);
        let attention = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
        Ok(Some(LongRope {
            short: self.divisors("short_factor")?,
            long: self.divisors("long_factor")?,
            original_max_position_embeddings: original as usize,
            attention_factor: given("attention_factor")?.unwrap_or(attention),
        }))
    }

    fn divisors(&self, name: &str) -> Result<Vec<f64>, Unsupported> {
        let Some(list) = self.nested.get(name).and_then(Value::as_array) else {
            return Err((self.key, format!("`{name}` is missing, or is no list")));
        };
        list.iter().map(|value| self.above_zero(name, value)).collect()
    }
}

/// The context of the first training. Its logarithm divides, so that it is above 1.
fn first_context(value: &Value) -> Result<f64, Unsupported> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0);
    let number = number.filter(|number| (2.0..=f64::from(u32::MAX)).contains(number));
    number.ok_or_else(|| (ORIGINAL, format!("{value} is not a whole number above 1 and up to {}", u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::super::{RopeDefaults, rope_config};
    use crate::config_json::ConfigJson;
    use crate::rope_keys_written::in_both_spellings;
    use serde_json::{Map, Value, json};
    use std::path::Path;

    #[test]
    fn long_rope_has_a_divisor_for_each_frequency_under_each_of_its_names() {
        let tried = |text: &str| {
            let defaults = RopeDefaults { long_rope: Some(32), ..RopeDefaults::USUAL };
            let check = |_: Value, raw: ConfigJson| {
                let rope = rope_config(&raw, 128, defaults)?;
                Ok((in_both_spellings(&raw, &rope), rope))
            };
            ConfigJson::read(text, Path::new("config.json"), check)
        };
        let read = |text: &str| tried(text).unwrap();
        let lists = r#""short_factor":[1.0,1.5],"long_factor":[2,3]"#;
        for kind in ["longrope", "su", "yarn"] {
            let (written, found) = read(&format!(r#"{{"rope_scaling":{{"type":"{kind}",{lists}}}}}"#));
            let long_rope = found.long_rope.unwrap();
            assert_eq!((long_rope.short, long_rope.long), (vec![1.0, 1.5], vec![2.0, 3.0]));
            assert_eq!(long_rope.original_max_position_embeddings, 32);
            let expected = (1.0 + 4f64.ln() / 32f64.ln()).sqrt();
            assert!((long_rope.attention_factor - expected).abs() < 1e-12);
            let written: Map<String, Value> =
                written.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
            for key in ["rope_scaling", "rope_parameters"] {
                assert_eq!(written[key]["rope_type"], "longrope", "{kind}");
                assert_eq!(written[key]["long_factor"], json!([2, 3]));
            }
        }
        for original in ["0", "1", "0.5", "32.5", "1e30", "\"32\""] {
            let text = format!(
                r#"{{"original_max_position_embeddings":{original},"rope_scaling":{{"type":"longrope",{lists}}}}}"#
            );
            let message = tried(&text).unwrap_err().to_string();
            assert!(
                message.contains("original_max_position_embeddings") && message.contains("above 1"),
                "{message}"
            );
        }
        let said = read(&format!(
            r#"{{"original_max_position_embeddings":16,"rope_scaling":{{"type":"longrope","attention_factor":1.25,{lists}}}}}"#
        ));
        let long_rope = said.1.long_rope.unwrap();
        assert_eq!((long_rope.original_max_position_embeddings, long_rope.attention_factor), (16, 1.25));
    }
}
