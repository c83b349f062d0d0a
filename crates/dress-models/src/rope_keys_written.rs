//! The rotary embedding of a result, in every spelling that some software reads.

use crate::config_json::ConfigJson;
use crate::modules::RopeScaling;
use crate::rope_config::{ORIGINAL, PARTIAL, RopeConfig, RopeKeys, THETA};
use serde_json::{Map, Value, json};

/// The keys that say `rope`, in the spelling of transformers 5 and in the older one. What a dictionary of `raw` says
/// beside them stays.
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
