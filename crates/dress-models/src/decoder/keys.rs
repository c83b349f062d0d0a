//! Keys that the families read by themselves.

use crate::config_json::{self, ConfigJson, Unsupported};
use serde_json::Value;

/// A key that is true or false, and false where it is not there.
pub(super) fn flag(raw: &ConfigJson, key: &'static str) -> Result<bool, Unsupported> {
    config_json::flag(raw, key, false)
}

/// The largest of these numbers: what a GGUF file can say, and more than any text has tokens.
const LARGEST: u64 = u32::MAX as u64;

/// A key that is a whole number above 0, or null; `missing` where it is not there.
pub(super) fn size(
    raw: &ConfigJson,
    key: &'static str,
    missing: Option<usize>,
) -> Result<Option<usize>, Unsupported> {
    match raw.get(key) {
        None => Ok(missing),
        Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| (1..=LARGEST).contains(number)) {
            Some(number) => Ok(Some(number as usize)),
            None => Err((key, format!("{value} is not a whole number above 0 and up to {LARGEST}"))),
        },
    }
}
