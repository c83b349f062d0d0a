//! The rotary embedding of a result, in every spelling that some software reads.

use crate::config_json::ConfigJson;
use crate::modules::RopeScaling;
use crate::rope_config::{ORIGINAL, PARTIAL, RopeConfig, RopeKeys, THETA};
use serde_json::{Map, Value, json};

/// The keys that say `rope`, in the spelling of transformers 5 and in the older one. What a dictionary of
/// `raw` says beside them stays.
pub(crate) fn in_both_spellings(raw: &ConfigJson, rope: &RopeConfig) -> Vec<(&'static str, Value)> {
    let (key, said) = RopeKeys::of(raw).map(|keys| (keys.key, keys.nested)).unwrap_or_default();
    let theta = number(raw.get(THETA).or(said.get(THETA)), rope.theta);
    let mut older = match &rope.long_rope {
        Some(_) => long_rope_keys(said),
        None => scaling_keys(rope.scaling, said),
    };
    let apart = [older.remove(THETA), older.remove(PARTIAL)];
    let mut newer = older.clone();
    if key == "rope_scaling" && apart[0].is_some() {
        older.insert(THETA.into(), theta.clone());
    }
    newer.insert(THETA.into(), theta.clone());
    let partial = rope.partial.map(|share| number(raw.get(PARTIAL).or(apart[1].as_ref()), share));
    newer.extend(partial.clone().map(|share| (PARTIAL.into(), share)));
    let scaled = rope.scaling.is_some() || rope.long_rope.is_some();
    let older = if scaled { Value::Object(older) } else { Value::Null };
    let mut keys = vec![(THETA, theta), ("rope_scaling", older), ("rope_parameters", Value::Object(newer))];
    keys.extend(partial.map(|share| (PARTIAL, share)));
    keys
}

/// What is said already of LongRoPE, its type under the name that all software knows.
fn long_rope_keys(mut said: Map<String, Value>) -> Map<String, Value> {
    if let Some(older) = said.get_mut("type") {
        *older = json!("longrope");
    }
    said.insert("rope_type".into(), json!("longrope"));
    said
}

/// The dictionary of a scaling, around what is said already.
fn scaling_keys(scaling: Option<RopeScaling>, said: Map<String, Value>) -> Map<String, Value> {
    let (kind, numbers) = match scaling {
        None => return Map::from_iter([("rope_type".to_string(), json!("default"))]),
        Some(RopeScaling::Linear { factor }) => ("linear", vec![("factor", factor)]),
        Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        }) => {
            let numbers = vec![
                ("factor", factor),
                ("low_freq_factor", low_freq_factor),
                ("high_freq_factor", high_freq_factor),
                (ORIGINAL, original_max_position_embeddings),
            ];
            ("llama3", numbers)
        }
    };
    let mut keys = said;
    // Software that reads the older name of the type takes it before the newer one.
    if let Some(older) = keys.get_mut("type") {
        *older = json!(kind);
    }
    keys.insert("rope_type".into(), json!(kind));
    for (name, value) in numbers {
        let value = number(keys.get(name), value);
        // Stock software wants a whole number of positions.
        let whole = value.as_f64().filter(|value| name == ORIGINAL && value.fract() == 0.0);
        keys.insert(name.into(), whole.map_or(value, |value| json!(value as u64)));
    }
    keys
}

/// A number as it is written already, where that is the same number.
fn number(written: Option<&Value>, number: f64) -> Value {
    written.filter(|value| value.as_f64() == Some(number)).cloned().unwrap_or_else(|| json!(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_rope_parameters_alone;
    use crate::rope_config::{RopeDefaults, rope_config};
    use std::path::Path;

    const LLAMA3: &str = r#""rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0"#;

    fn read(text: &str) -> RopeConfig {
        let read = |_: Value, raw: ConfigJson| rope_config(&raw, 128, RopeDefaults::USUAL);
        ConfigJson::read(text, Path::new("config.json"), read).unwrap()
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
            let meant = read(text);
            assert_eq!(read(&whole), meant, "{text}");
            // Software that knows one of the spellings alone.
            for left_out in
                [&["rope_parameters"][..], &["rope_scaling", "rope_theta", "partial_rotary_factor"]]
            {
                let mut some = keys.clone();
                left_out.iter().for_each(|key| _ = some.remove(*key));
                let some = Value::Object(some).to_string();
                assert_eq!(read(&some), meant, "{text} without {left_out:?}");
            }
            assert_eq!(written(&whole).1, whole, "{text}");
            assert!(!in_rope_parameters_alone(&whole), "{text}");
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
}
