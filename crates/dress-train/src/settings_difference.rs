//! What two runs differ in.

use serde_json::{Map, Value};

/// Longer values are not worth reading in a message.
const SHORT: usize = 24;

/// The settings that are not the same in two runs, each with its value `there` and `here` where that is
/// short.
///
/// # Examples
/// ```
/// use dress_train::differences;
/// use serde_json::json;
///
/// let (there, here) = (json!({"epochs": 1, "seed": 42}), json!({"epochs": 2, "seed": 42}));
/// assert_eq!(differences(&there, &here), ["epochs 1 there and 2 here"]);
/// ```
pub fn differences(there: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", there, here, &mut found);
    found
}

fn compare(name: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            for key in keys(a, b) {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let of = |fields: &Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                compare(&name, &of(a), &of(b), found);
            }
        }
        _ if there == here => {}
        _ => found.push(match short(there).zip(short(here)) {
            Some((there, here)) => format!("{name} {there} there and {here} here"),
            None => name.into(),
        }),
    }
}

/// The keys of both, each once.
fn keys<'a>(a: &'a Map<String, Value>, b: &'a Map<String, Value>) -> impl Iterator<Item = &'a String> {
    a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)))
}

fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => return None,
        value => value.to_string(),
    };
    (text.len() <= SHORT).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_with_its_values_where_they_are_short() {
        let there = json!({"lambda": 5.0, "train": {"epochs": 1, "seed": 42}, "gate": null, "selection": "0".repeat(99)});
        let here = json!({"lambda": 5.0, "train": {"epochs": 2, "seed": 42}, "gate": {"cosine": 0.2}, "selection": "1"});
        let found = differences(&there, &here);
        assert_eq!(found, ["gate", "selection", "train.epochs 1 there and 2 here"]);
        assert_eq!(differences(&there, &there), [""; 0]);
    }
}
