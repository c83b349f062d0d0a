//! The rotary embedding that a `config.json` asks for, by the rules of transformers 5.
//!
//! `rope_scaling`, the older key, goes before `rope_parameters` where it is not empty, and what it does not
//! say comes from the top level and not from the other key. What is written has both, since some software
//! reads one alone.

use crate::config_json::{ConfigJson, Unsupported};
use crate::modules::{LongRope, RopeScaling};

mod keys;
mod left_out;
mod long_rope;
mod newer_key_alone;

pub(crate) use keys::RopeKeys;
pub use newer_key_alone::in_rope_parameters_alone;

const DEFAULT_THETA: f64 = 10_000.0;

pub(crate) const THETA: &str = "rope_theta";
pub(crate) const PARTIAL: &str = "partial_rotary_factor";
pub(crate) const ORIGINAL: &str = "original_max_position_embeddings";

/// What a family takes for granted of the rotary embedding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RopeDefaults {
    /// The base of the frequencies, where nothing says it.
    pub theta: f64,
    /// Whether `longrope` is a type of its scaling, with the context of the first training where nothing says
    /// it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
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
