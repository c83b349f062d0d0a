//! A `tokenizer_config.json` for a tokenizer that has none: some software looks nowhere else for the tokens
//! that begin and end a text.

use serde_json::{Map, Value, json};
use std::path::Path;

/// The text of the `tokenizer_config.json` that a directory lacks, where its other files say which tokens
/// begin or end a text. It gives no token that `tokenizer.json` has not, so that the ids of a text stay as
/// they are.
pub(super) fn missing_from(directory: &Path) -> Option<String> {
    if directory.join("tokenizer_config.json").exists() {
        return None;
    }
    let [tokenizer, generation, model] =
        ["tokenizer.json", "generation_config.json", "config.json"].map(|name| read(&directory.join(name)));
    let tokenizer = tokenizer?;
    let added = added_tokens(&tokenizer);
    let token = |key: &str| {
        let id = [&generation, &model].into_iter().flatten().find_map(|file| first_id(file.get(key)?))?;
        added.iter().find(|(known, _)| *known == id).map(|(_, token)| json!(token))
    };
    let named = [("bos_token", "bos_token_id"), ("eos_token", "eos_token_id"), ("pad_token", "pad_token_id")];
    let mut config: Map<String, Value> =
        named.into_iter().filter_map(|(name, key)| Some((name.into(), token(key)?))).collect();
    if !["bos_token", "eos_token"].iter().any(|name| config.contains_key(*name)) {
        return None;
    }
    config.insert("clean_up_tokenization_spaces".into(), json!(false));
    // LLaMA's tokenizer.json is taken as it is under this name; other families have a class that reads theirs.
    if model?.get("model_type").is_some_and(|family| family == "llama") {
        config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    }
    Some(serde_json::to_string_pretty(&Value::Object(config)).expect("a map with string keys is JSON"))
}

/// A file that is not there or is no JSON says nothing: whoever needs it says what is wrong with it.
fn read(path: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// Ids and texts of the tokens that are looked for in a text before it is split.
fn added_tokens(tokenizer: &Value) -> Vec<(u64, &str)> {
    let listed = tokenizer["added_tokens"].as_array().into_iter().flatten();
    listed.filter_map(|token| Some((token["id"].as_u64()?, token["content"].as_str()?))).collect()
}

/// An id, or the first of a list.
fn first_id(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.get(0)?.as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made for a directory of these files.
    fn made(files: &[(&str, Value)]) -> Option<Value> {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(directory.path().join(name), content.to_string()).unwrap();
        }
        missing_from(directory.path()).map(|text| serde_json::from_str(&text).unwrap())
    }

    fn tokenizer() -> (&'static str, Value) {
        let token = |id: u64, content: &str| json!({ "id": id, "content": content, "special": true });
        ("tokenizer.json", json!({ "added_tokens": [token(1, "<s>"), token(2, "</s>"), token(7, "<end>")] }))
    }

    #[test]
    fn the_tokens_are_those_of_the_generation_config_and_else_of_the_config() {
        let model = |family: &str| {
            ("config.json", json!({ "model_type": family, "bos_token_id": 1, "eos_token_id": 2 }))
        };
        let generation = ("generation_config.json", json!({ "eos_token_id": [7, 2], "pad_token_id": 2 }));
        let found = made(&[tokenizer(), model("llama"), generation]).unwrap();
        let expected = json!({ "bos_token": "<s>", "eos_token": "<end>", "pad_token": "</s>",
            "clean_up_tokenization_spaces": false, "tokenizer_class": "PreTrainedTokenizerFast" });
        assert_eq!(found, expected);
        let found = made(&[tokenizer(), model("opt")]).unwrap();
        assert_eq!((&found["eos_token"], found.get("tokenizer_class")), (&json!("</s>"), None));
    }

    #[test]
    fn none_is_made_where_there_is_one_or_nothing_to_say() {
        let model =
            ("config.json", json!({ "model_type": "llama", "bos_token_id": 9, "eos_token_id": null }));
        assert_eq!(made(&[tokenizer(), model.clone()]), None, "no such token");
        assert_eq!(made(&[model]), None, "no tokenizer");
        let whole = ("config.json", json!({ "bos_token_id": 1 }));
        assert!(made(&[tokenizer(), whole.clone()]).is_some());
        assert_eq!(made(&[tokenizer(), whole, ("tokenizer_config.json", json!({}))]), None);
    }
}
