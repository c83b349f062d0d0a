//! From GGUF metadata to `tokenizer_config.json`: the names of special tokens, and the chat template.

use super::GgufHeader;
use super::tokenizer::Vocabulary;
use serde_json::{Map, Value, json};

/// Names of special tokens by GGUF's.
const NAMED: [(&str, &str); 4] =
    [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")];

/// The `tokenizer_config.json` of the file's vocabulary.
pub(super) fn tokenizer_config_json(header: &GgufHeader<'_>) -> Result<String, String> {
    let vocabulary = Vocabulary::read(header)?;
    let mut config = Map::new();
    // Stock takes `tokenizer.json` as it is under this name.
    config.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    config.insert("clean_up_tokenization_spaces".into(), json!(false));
    for (name, gguf) in NAMED {
        if let Some((_, token)) = vocabulary.special(gguf) {
            config.insert(name.into(), json!(token));
        }
    }
    if let Some(template) = header.metadata.get("tokenizer.chat_template").and_then(|value| value.text()) {
        config.insert("chat_template".into(), json!(template));
    }
    Ok(serde_json::to_string_pretty(&Value::Object(config)).expect("a map with string keys is JSON"))
}

#[cfg(test)]
mod tests {
    use super::super::written::{Entry, header_of, texts};
    use super::*;

    #[test]
    fn special_tokens_and_the_chat_template_are_named() {
        let bytes = header_of(&[
            ("tokenizer.ggml.model", Entry::Text("gpt2".into())),
            ("tokenizer.ggml.tokens", texts(&["a", "<s>", "</s>"])),
            ("tokenizer.ggml.bos_token_id", Entry::U32(1)),
            ("tokenizer.ggml.eos_token_id", Entry::U32(2)),
            ("tokenizer.ggml.padding_token_id", Entry::U32(9)),
            ("tokenizer.chat_template", Entry::Text("{{ bos_token }}".into())),
        ]);
        let made = tokenizer_config_json(&GgufHeader::parse(&bytes).unwrap()).unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        assert_eq!((&made["bos_token"], &made["eos_token"]), (&json!("<s>"), &json!("</s>")));
        assert_eq!(made["chat_template"], "{{ bos_token }}");
        assert!(made.get("pad_token").is_none(), "there is no token 9");
    }
}
