//! What is said where another share stays than was asked for.

use crate::Measure;
use dress_core::AxisKind;
use dress_engines::EngineFormat;
use std::collections::BTreeMap;

/// The share of what is counted by which what stays may be off without a warning.
pub(crate) const UNNOTICED: f64 = 0.01;

impl Measure {
    /// What is counted, in words.
    pub(crate) fn counted(self) -> &'static str {
        match self {
            Measure::Parameters => "the parameters",
            Measure::Bytes => "the bytes",
            Measure::Macs => "the multiplications",
            Measure::Latency(_) => "the time",
        }
    }
}

/// Says what is left of what is counted, what was asked for and why that is not it, where both are so far
/// apart that whoever asked should know.
pub(crate) fn warn_of_another_share(counted: &str, shares: [f64; 2], why: impl FnOnce() -> String) {
    if let Some(text) = another_share(counted, shares, why) {
        tracing::warn!("{text}");
    }
}

fn another_share(counted: &str, [asked, left]: [f64; 2], why: impl FnOnce() -> String) -> Option<String> {
    let [asked_percent, left_percent] = [asked, left].map(|share| 100.0 * share);
    let is_far = (left - asked).abs() > UNNOTICED;
    is_far.then(|| {
        format!("{left_percent:.1}% of {counted} is left, and {asked_percent:.1}% was asked for: {}", why())
    })
}

/// What the kept counts of each kind are multiples of, and for whom, before `rest`.
pub(crate) fn as_multiples_allow(
    steps: &BTreeMap<AxisKind, usize>,
    formats: &[EngineFormat],
    rest: &str,
) -> String {
    let wanted: Vec<String> = (steps.iter().filter(|(_, step)| **step > 1))
        .map(|(kind, step)| format!("{kind} stays in multiples of {step}"))
        .collect();
    if wanted.is_empty() {
        return rest.into();
    }
    let who = match formats {
        [] => "the tile".to_string(),
        formats => formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "),
    };
    format!("{}, as the config and {who} want it, and {rest}", wanted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_engines::EngineTable;

    #[test]
    fn a_share_that_is_far_from_what_was_asked_for_is_said_with_its_reason() {
        let steps = BTreeMap::from([(AxisKind::Ffn, 256), (AxisKind::Heads, 1)]);
        let said = |left, formats: &[EngineFormat]| {
            another_share(Measure::Parameters.counted(), [0.8, left], || {
                as_multiples_allow(&steps, formats, "nothing else fits")
            })
        };
        assert_eq!(
            said(0.75, &[]).unwrap(),
            "75.0% of the parameters is left, and 80.0% was asked for: ffn stays in multiples of 256, as the config and the \
             tile want it, and nothing else fits"
        );
        let formats = EngineTable::built_in().formats(&["llama.cpp:q4_k_m", "vllm"]).unwrap();
        assert!(said(0.82, &formats).unwrap().contains("the config and llama.cpp:q4_k_m and vllm want it"));
        assert_eq!([said(0.795, &[]), said(0.804, &[])], [None, None]);
    }

    #[test]
    fn where_any_number_may_stay_no_multiple_is_named() {
        let steps = BTreeMap::from([(AxisKind::Ffn, 1)]);
        assert_eq!(as_multiples_allow(&steps, &[], "nothing else fits"), "nothing else fits");
    }
}
