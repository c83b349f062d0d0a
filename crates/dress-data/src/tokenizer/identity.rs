//! What makes two tokenizers the same: that they give the same ids.

use crate::sha256;
use serde_json::{Map, Value};
use std::fmt::Write;
use tokenizers::Tokenizer;

/// SHA-256 of what decides the ids: vocabulary, merges, normalizer, pre-tokenizer, added tokens and
/// post-processor. How the files write them down does not count, nor what is only needed to make text of ids.
pub(super) fn of(tokenizer: &Tokenizer) -> String {
    // A part that cannot be written down cannot have been read.
    let whole = serde_json::to_value(tokenizer).unwrap_or_default();
    let normalizer = part(&whole["normalizer"], "normalizers");
    let parts = [
        model(&whole["model"]),
        part(&whole["pre_tokenizer"], "pretokenizers"),
        post_processor(&whole["post_processor"]),
        added_tokens(&whole, &normalizer),
        Value::from(tokenizer.get_encode_special_tokens()),
        normalizer,
    ];
    let mut text = String::new();
    write_sorted(&Value::Array(parts.into()), &mut text);
    sha256::hex(text.as_bytes())
}

/// Normalizer, pre-tokenizer and post-processor, as far as they decide the ids.
pub(super) fn beside_the_model(tokenizer: &Tokenizer) -> [Value; 3] {
    fn value(part: Option<impl serde::Serialize>) -> Value {
        serde_json::to_value(part).unwrap_or_default()
    }
    [
        part(&value(tokenizer.get_normalizer()), "normalizers"),
        part(&value(tokenizer.get_pre_tokenizer()), "pretokenizers"),
        post_processor(&value(tokenizer.get_post_processor())),
    ]
}

/// A sequence of one is that one, of none is none.
fn part(value: &Value, steps: &str) -> Value {
    match value[steps].as_array() {
        Some(list) if list.len() < 2 => list.first().map_or(Value::Null, |only| part(only, steps)),
        Some(list) => Value::Array(list.iter().map(|step| part(step, steps)).collect()),
        None => without(value, &["trim_offsets"]),
    }
}

fn without(value: &Value, keys: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !keys.contains(&key.as_str()));
    }
    value
}

fn model(model: &Value) -> Value {
    let mut model = model.clone();
    let without_unknown = model["unk_token"].is_null();
    if let Some(object) = model.as_object_mut() {
        let nothing = |value: &Value| {
            value.is_null() || value == "" || value == &Value::Bool(false) || value.as_f64() == Some(0.0)
        };
        object.retain(|key, value| key == "unk_id" || !nothing(value));
        // Where no token stands for the unknown, nothing is fused.
        if without_unknown {
            object.remove("fuse_unk");
        }
    }
    model
}

/// Those that only mark where a token stands in the text add no ids.
fn post_processor(value: &Value) -> Value {
    let value = part(value, "processors");
    match (&value, value["type"].as_str()) {
        (Value::Array(steps), _) => {
            let steps: Vec<_> = steps.iter().map(post_processor).filter(|step| !step.is_null()).collect();
            if steps.len() < 2 { steps.into_iter().next().unwrap_or_default() } else { Value::Array(steps) }
        }
        (_, Some("ByteLevel")) => Value::Null,
        (_, Some("TemplateProcessing")) => template(&value),
        _ => value,
    }
}

/// The ids before and after the text; `null` where there are none.
fn template(value: &Value) -> Value {
    let ids = |piece: &Value| match piece["SpecialToken"]["id"].as_str() {
        Some(name) => value["special_tokens"][name]["ids"].clone(),
        None => Value::from("text"),
    };
    let pieces: Vec<Value> = value["single"].as_array().into_iter().flatten().map(ids).collect();
    if pieces == [Value::from("text")] { Value::Null } else { Value::Array(pieces) }
}

fn added_tokens(whole: &Value, normalizer: &Value) -> Value {
    let token = |token: &Value| {
        let ignored: &[&str] = if normalizer.is_null() { &["special", "normalized"] } else { &["special"] };
        // Special tokens are split like text only where that is asked for.
        without(token, ignored)
    };
    Value::Array(whole["added_tokens"].as_array().into_iter().flatten().map(token).collect())
}

/// JSON with the keys of every object in order, whatever order the map keeps.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => write_object(object, text),
        Value::Array(list) => {
            text.push('[');
            for item in list {
                write_sorted(item, text);
                text.push(',');
            }
            text.push(']');
        }
        // Writing to a text cannot fail.
        _ => _ = write!(text, "{value}"),
    }
}

fn write_object(object: &Map<String, Value>, text: &mut String) {
    let mut entries: Vec<_> = object.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    text.push('{');
    for (key, value) in entries {
        _ = write!(text, "{}:", Value::from(key.as_str()));
        write_sorted(value, text);
        text.push(',');
    }
    text.push('}');
}
