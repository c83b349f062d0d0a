//! Tokenizers that are exported within a GGUF file give the same ids when it is opened again.

use crate::gguf_export::{assert_same_tokens, drawn, exported, letters, pieces};
use dress_models::Checkpoint;
use dress_models::gguf::GgufHeader;
use serde_json::json;
use std::fs;

#[test]
fn sentencepiece_s_tokens_come_back_with_scores_for_merges() {
    let place = drawn(json!({}), &pieces());
    let (directory, file) = (place.path().join("model"), place.path().join("model.gguf"));
    exported(&directory, &file, None).unwrap();
    assert_same_tokens(&directory, &file);
    let tokenizer = Checkpoint::at(&file).unwrap().tokenizer().unwrap();
    assert_eq!(tokenizer.encode("ab abb", true).unwrap()[0], 1, "a text is opened");
    // The same merges in an order that no scores say.
    let mut other = pieces();
    other["model"]["merges"].as_array_mut().unwrap().swap(3, 4);
    fs::write(directory.join("tokenizer.json"), other.to_string()).unwrap();
    let message = exported(&directory, &file, None).unwrap_err().to_string();
    assert!(message.contains("merges pieces by their scores") && message.contains("two places"), "{message}");
}

/// As Phi-4-mini's and Mistral-Nemo's `tokenizer.json` have it. What llama.cpp does otherwise is beyond
/// ASCII.
#[test]
fn words_that_end_where_capitals_begin_have_names_in_llama_cpp() {
    let words = |contraction: &str| {
        let word = |upper: &str, lower: &str| {
            format!(
                r"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]{upper}[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]{lower}{contraction}"
            )
        };
        [word("*", "+"), word("+", "*")].join("|")
    };
    let rest = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    for (pre, regex, ignores_merges) in [
        ("gpt-4o", format!(r"{}|\p{{N}}{{1,3}}{rest}", words("(?i:'s|'t|'re|'ve|'m|'ll|'d)?")), false),
        ("tekken", format!(r"{}|\p{{N}}{rest}", words("")), true),
    ] {
        let mut tokenizer = letters();
        let vocab = tokenizer["model"]["vocab"].as_object_mut().unwrap();
        let first = vocab.len();
        ["B", "bB", "Bb"]
            .into_iter()
            .zip(first..)
            .for_each(|(text, id)| _ = vocab.insert(text.into(), json!(id)));
        let b = vocab["b"].clone();
        let merges = tokenizer["model"]["merges"].as_array_mut().unwrap();
        merges.extend([json!(["b", "B"]), json!(["B", "b"])]);
        tokenizer["model"]["ignore_merges"] = ignores_merges.into();
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
        let split = json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false });
        tokenizer["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": [split, bytes] });
        let named = json!({ "vocab_size": first + 3, "bos_token_id": null, "eos_token_id": null });
        let place = drawn(named, &tokenizer);
        let (directory, file) = (place.path().join("model"), place.path().join("model.gguf"));
        exported(&directory, &file, None).unwrap();
        let bytes = fs::read(&file).unwrap();
        assert_eq!(GgufHeader::parse(&bytes).unwrap().metadata["tokenizer.ggml.pre"].text(), Some(pre));
        assert_same_tokens(&directory, &file);
        for place in [&directory, &file] {
            let ids = Checkpoint::at(place).unwrap().tokenizer().unwrap().encode("bBb", false).unwrap();
            assert_eq!(json!(ids), json!([b, first + 2]), "{pre}: the word ends before the capital");
        }
    }
}

/// As `GemmaTokenizer` of transformers writes it: a split at blanks, of which the normalizer leaves none.
/// Gemma 3's text models have a token for images beyond their embedding.
#[test]
fn gemma_s_tokenizer_is_written_and_its_token_beyond_the_embedding_is_left_out() {
    let mut tokenizer = pieces();
    tokenizer["normalizer"] =
        json!({ "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" });
    tokenizer["pre_tokenizer"] = json!({ "type": "Split", "pattern": { "String": " " },
        "behavior": "MergedWithPrevious", "invert": false });
    tokenizer["decoder"]["decoders"].as_array_mut().unwrap().pop().unwrap();
    let rows = tokenizer["model"]["vocab"].as_object().unwrap().len();
    let image = json!({ "id": rows, "content": "<image_soft_token>", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true });
    tokenizer["added_tokens"].as_array_mut().unwrap().push(image);
    let gemma = |rows: usize| {
        json!({ "model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "vocab_size": rows,
            "tie_word_embeddings": true, "query_pre_attn_scalar": 16, "sliding_window": 9 })
    };
    // Those that the class has of its own would be added.
    let named = json!({ "bos_token": "<s>", "eos_token": "</s>", "pad_token": null, "mask_token": null });
    for (rows, has_image, padding) in [(rows, false, 0), (rows + 1, true, 0), (rows + 7, true, 6)] {
        let place = drawn(gemma(rows), &tokenizer);
        let (directory, file) = (place.path().join("model"), place.path().join("model.gguf"));
        fs::write(directory.join("tokenizer_config.json"), named.to_string()).unwrap();
        assert_eq!(exported(&directory, &file, None).unwrap().architecture, "gemma2");
        assert_same_tokens(&directory, &file);
        let bytes = fs::read(&file).unwrap();
        let header = GgufHeader::parse(&bytes).unwrap();
        let tokens = header.metadata["tokenizer.ggml.tokens"].array().unwrap();
        let texts: Vec<&str> = tokens.iter().filter_map(|token| token.text()).collect();
        assert_eq!((texts.len(), texts.contains(&"<image_soft_token>")), (rows, has_image));
        assert_eq!(texts.iter().filter(|text| text.starts_with("[PAD")).count(), padding);
    }
    let opened = tokenizer["post_processor"].to_string().replace("\"<s>\"", "\"<image_soft_token>\"");
    let opened = opened.replace("\"ids\":[1]", &format!("\"ids\":[{rows}]"));
    tokenizer["post_processor"] = serde_json::from_str(&opened).unwrap();
    let place = drawn(gemma(rows), &tokenizer);
    let refused = exported(&place.path().join("model"), &place.path().join("model.gguf"), None);
    assert!(refused.unwrap_err().to_string().contains(&format!("the token {rows} at an end of every text")));
}
