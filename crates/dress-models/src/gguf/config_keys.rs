//! What the keys of `config.json` are made of, whatever the family.

use super::facts::Facts;
use serde_json::Value;

/// Sizes that the keys of a family follow from.
pub(super) struct Sizes {
    pub width: u64,
    pub head_dim: u64,
    pub heads: usize,
    pub kv_heads: usize,
}

/// The base of the rotary frequencies.
pub(super) fn theta(facts: &Facts<'_, '_>) -> f64 {
    facts.float("rope.freq_base").unwrap_or(10_000.0)
}

/// Keys of `config.json` with their values.
pub(super) type Keys = Vec<(&'static str, Value)>;

/// A share of which the product with the whole is the part again, and not one less by rounding.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    let share = part as f64 / whole as f64;
    if (whole as f64 * share) as u64 == part { share } else { share.next_up() }
}
