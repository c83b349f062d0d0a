//! The tokens that a tokenizer puts at the ends of every text.

use serde_json::Value;

/// The ids of the token that opens every text and of the one that closes it, where there are such.
///
/// # Errors
/// What the post-processor does that llama.cpp does not.
pub(super) fn text_ends(post_processor: &Value) -> Result<[Option<u64>; 2], String> {
    let steps = match post_processor["processors"].as_array() {
        Some(steps) => steps.iter().collect(),
        None => vec![post_processor],
    };
    let mut ends = [None; 2];
    for step in steps {
        let found = match step["type"].as_str() {
            // Marks of offsets change no ids.
            None | Some("ByteLevel") => [None; 2],
            Some("TemplateProcessing") => of_template(step)?,
            Some("RobertaProcessing" | "BertProcessing") => {
                [&step["cls"][1], &step["sep"][1]].map(Value::as_u64)
            }
            Some(other) => return Err(format!("the post-processor `{other}` is not one that llama.cpp has")),
        };
        for (end, found) in ends.iter_mut().zip(found) {
            match (&end, found) {
                (Some(_), Some(_)) => return Err(MORE.into()),
                (None, Some(_)) => *end = found,
                (_, None) => {}
            }
        }
    }
    Ok(ends)
}

const MORE: &str = "more than one token is put at one end of a text, and llama.cpp puts one";

fn of_template(step: &Value) -> Result<[Option<u64>; 2], String> {
    let parts = step["single"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = parts.iter().position(|part| part.get("Sequence").is_some());
    let text = text.ok_or("its template for a text has no text")?;
    let id = |part: &Value| {
        let ids = step["special_tokens"][part["SpecialToken"]["id"].as_str()?]["ids"].as_array()?;
        if ids.len() == 1 { ids[0].as_u64() } else { None }
    };
    match (&parts[..text], &parts[text + 1..]) {
        (before, after) if before.len() > 1 || after.len() > 1 => Err(MORE.into()),
        (before, after) => {
            let ends = [before, after].map(|part| part.first().map(|part| id(part).ok_or(MORE)).transpose());
            let [open, close] = ends;
            Ok([open?, close?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(single: Value) -> Value {
        let special = |id: u64| json!({ "id": "t", "ids": [id], "tokens": ["t"] });
        json!({ "type": "TemplateProcessing", "single": single,
            "special_tokens": { "<s>": special(1), "</s>": special(2) } })
    }

    fn token(name: &str) -> Value {
        json!({ "SpecialToken": { "id": name, "type_id": 0 } })
    }

    #[test]
    fn a_template_says_which_tokens_open_and_close_a_text() {
        let text = || json!({ "Sequence": { "id": "A", "type_id": 0 } });
        for (single, expected) in [
            (json!([text()]), [None, None]),
            (json!([token("<s>"), text()]), [Some(1), None]),
            (json!([token("<s>"), text(), token("</s>")]), [Some(1), Some(2)]),
        ] {
            assert_eq!(text_ends(&template(single.clone())), Ok(expected));
            let sequence =
                json!({ "type": "Sequence", "processors": [{ "type": "ByteLevel" }, template(single)] });
            assert_eq!(text_ends(&sequence), Ok(expected));
        }
        let two = json!([token("<s>"), token("</s>"), text()]);
        assert!(text_ends(&template(two)).unwrap_err().contains("more than one token"));
    }

    #[test]
    fn other_post_processors_are_known_or_refused_by_name() {
        assert_eq!(text_ends(&Value::Null), Ok([None, None]));
        let roberta = json!({ "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1] });
        assert_eq!(text_ends(&roberta), Ok([Some(1), Some(2)]));
        assert!(text_ends(&json!({ "type": "Acme" })).unwrap_err().contains("`Acme`"));
    }
}
