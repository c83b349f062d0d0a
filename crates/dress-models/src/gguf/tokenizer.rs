//! From GGUF metadata to `tokenizer.json`.

use super::GgufHeader;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Types of token, by ggml's numbers.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// LLaMA-3's split of a text, as its own `tokenizer.json` has it.
const LLAMA3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How llama.cpp splits a text where `tokenizer.ggml.pre` is `default`, one after the other.
const DEFAULT_SPLITS: [&str; 4] = [
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
];

struct Vocabulary<'a> {
    header: &'a GgufHeader<'a>,
    tokens: Vec<&'a str>,
    types: Vec<i64>,
}

/// The `tokenizer.json` of the file's vocabulary.
pub(super) fn tokenizer_json(header: &GgufHeader<'_>) -> Result<String, String> {
    let vocabulary = Vocabulary::read(header)?;
    let kind = vocabulary.key("model").and_then(|kind| kind.text());
    let parts = match kind {
        Some("gpt2") => vocabulary.byte_level()?,
        Some("llama") => vocabulary.sentence_piece()?,
        other => {
            let other = other.unwrap_or("nothing");
            return Err(format!("tokenizer `{other}` is not read from GGUF, only gpt2 and llama; {REMEDY}"));
        }
    };
    let mut file = json!({ "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": vocabulary.added_tokens() });
    let object = file.as_object_mut().expect("it was made as an object");
    object.extend(parts);
    Ok(file.to_string())
}

const REMEDY: &str = "use the Hugging Face checkpoint, whose tokenizer.json has it";

impl<'a> Vocabulary<'a> {
    fn read(header: &'a GgufHeader<'a>) -> Result<Self, String> {
        let list = |name: &str| {
            let key = format!("tokenizer.ggml.{name}");
            header.metadata.get(key.as_str()).and_then(|value| value.array())
        };
        let tokens = list("tokens").ok_or("its metadata has no tokenizer.ggml.tokens")?;
        let tokens: Option<Vec<&str>> = tokens.iter().map(|token| token.text()).collect();
        let types = list("token_type")
            .map(|types| types.iter().map(|kind| kind.float().unwrap_or(1.0) as i64).collect::<Vec<_>>());
        let tokens = tokens.ok_or("tokenizer.ggml.tokens are not texts")?;
        Ok(Self { header, types: types.unwrap_or_else(|| vec![1; tokens.len()]), tokens })
    }

    fn key(&self, name: &str) -> Option<super::MetadataValue<'a>> {
        self.header.metadata.get(format!("tokenizer.ggml.{name}").as_str()).copied()
    }

    fn vocab(&self) -> Map<String, Value> {
        self.tokens.iter().enumerate().map(|(id, token)| (token.to_string(), json!(id))).collect()
    }

    /// Control and user-defined tokens, which no merge makes.
    fn added_tokens(&self) -> Vec<Value> {
        let added = self.tokens.iter().zip(&self.types).enumerate();
        let added = added.filter(|(_, (_, kind))| [UNKNOWN, CONTROL, USER_DEFINED].contains(kind));
        added
            .map(|(id, (token, kind))| {
                json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": *kind != USER_DEFINED })
            })
            .collect()
    }

    /// A template that opens every text with the first token, where the file says so.
    fn post_processor(&self, adds_bos: bool) -> Value {
        let adds = self.key("add_bos_token").and_then(|value| value.bool()).unwrap_or(adds_bos);
        let id = self.key("bos_token_id").and_then(|id| id.unsigned()).filter(|_| adds);
        let token = id.and_then(|id| Some((id, *self.tokens.get(usize::try_from(id).ok()?)?)));
        let sequence = json!({ "Sequence": { "id": "A", "type_id": 0 } });
        let second = json!({ "Sequence": { "id": "B", "type_id": 1 } });
        match token {
            None => json!({ "type": "TemplateProcessing", "single": [sequence], "pair": [sequence, second],
                "special_tokens": {} }),
            Some((id, token)) => {
                let open = json!({ "SpecialToken": { "id": token, "type_id": 0 } });
                let mut special = Map::new();
                special.insert(token.into(), json!({ "id": token, "ids": [id], "tokens": [token] }));
                json!({ "type": "TemplateProcessing", "single": [open, sequence],
                    "pair": [open, sequence, open, second], "special_tokens": special })
            }
        }
    }

    /// GPT-2's kind: bytes as printable characters, and merges in the file.
    fn byte_level(&self) -> Result<Map<String, Value>, String> {
        let merges = self.key("merges").and_then(|merges| merges.array());
        let merges = merges.ok_or("its metadata has no tokenizer.ggml.merges")?;
        let pairs = merges.iter().map(|merge| merge.text()?.split_once(' ').map(|(a, b)| json!([a, b])));
        let pairs: Option<Vec<Value>> = pairs.collect();
        let pre = self.key("pre").and_then(|pre| pre.text()).unwrap_or("default");
        if self.key("pre").is_none() && self.tokens.contains(&"<|begin_of_text|>") {
            return Err(format!(
                "its metadata has no tokenizer.ggml.pre, so how LLaMA-3's vocabulary splits a text is not said; add it \
                 (gguf_new_metadata.py --pre-tokenizer llama-bpe), or {REMEDY}"
            ));
        }
        let bytes = |use_regex: bool| {
            json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": use_regex })
        };
        let split = match pre {
            "gpt-2" | "phi-2" => bytes(true),
            "default" => {
                let split = |regex: &str| {
                    json!({ "type": "Split", "pattern": { "Regex": regex },
                    "behavior": "Isolated", "invert": false })
                };
                let splits = DEFAULT_SPLITS.map(split).into_iter().chain([bytes(false)]);
                json!({ "type": "Sequence", "pretokenizers": splits.collect::<Vec<_>>() })
            }
            "smollm" => json!({ "type": "Sequence", "pretokenizers": [
                { "type": "Digits", "individual_digits": true }, bytes(true)] }),
            "llama-bpe" | "llama3" | "llama-v3" => json!({ "type": "Sequence", "pretokenizers": [
                { "type": "Split", "pattern": { "Regex": LLAMA3_SPLIT }, "behavior": "Isolated", "invert": false },
                bytes(false)] }),
            other => return Err(format!("how `{other}` splits a text is not known here; {REMEDY}")),
        };
        let model = json!({ "type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": pre.starts_with("llama"), "vocab": self.vocab(),
            "merges": pairs.ok_or("tokenizer.ggml.merges are not pairs")? });
        Ok(parts(json!({ "normalizer": null, "pre_tokenizer": split, "model": model,
            "post_processor": self.post_processor(pre.starts_with("llama")), "decoder": bytes(true) })))
    }

    /// LLaMA-2's kind: a piece's score says how early it is merged, and unknown characters fall back to
    /// bytes. The merges are those that `transformers`' converter derives.
    fn sentence_piece(&self) -> Result<Map<String, Value>, String> {
        let scores = self.key("scores").and_then(|scores| scores.array());
        let scores = scores.ok_or("its metadata has no tokenizer.ggml.scores")?;
        let scores: Vec<f64> = scores.iter().map(|score| score.float().unwrap_or(0.0)).collect();
        let unknown = self.types.iter().position(|&kind| kind == UNKNOWN).map(|id| self.tokens[id]);
        let model = json!({ "type": "BPE", "dropout": null, "unk_token": unknown,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
            "byte_fallback": true, "ignore_merges": false, "vocab": self.vocab(),
            "merges": self.merges_of_scores(&scores) });
        let space =
            |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": to });
        let prefix = self.key("add_space_prefix").and_then(|value| value.bool()).unwrap_or(true);
        let mut normalizers = vec![space(" ", "\u{2581}")];
        let mut decoders =
            vec![space("\u{2581}", " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
        if prefix {
            normalizers.insert(0, json!({ "type": "Prepend", "prepend": "\u{2581}" }));
            decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
        }
        Ok(parts(json!({
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": null,
            "post_processor": self.post_processor(true),
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": model,
        })))
    }

    fn merges_of_scores(&self, scores: &[f64]) -> Vec<[&'a str; 2]> {
        let ids: HashMap<&str, usize> = self.tokens.iter().enumerate().map(|(id, &t)| (t, id)).collect();
        let mut merges = Vec::new();
        for (&piece, &score) in self.tokens.iter().zip(scores) {
            let splits = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
            let mut local: Vec<_> = splits
                .filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?, [left, right])))
                .collect();
            local.sort_by_key(|&(left, right, _)| (left, right));
            merges.extend(local.into_iter().map(|(_, _, pair)| (score, pair)));
        }
        merges.sort_by(|a, b| b.0.total_cmp(&a.0));
        merges.into_iter().map(|(_, pair)| pair).collect()
    }
}

fn parts(value: Value) -> Map<String, Value> {
    if let Value::Object(parts) = value { parts } else { Map::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with a vocabulary of three pieces.
    fn file(add_space_prefix: bool) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let key = |name: &str, kind: u32, value: Vec<u8>| {
            [text(&format!("tokenizer.ggml.{name}")), kind.to_le_bytes().to_vec(), value].concat()
        };
        let array = |kind: u32, elements: [Vec<u8>; 3]| {
            [kind.to_le_bytes().to_vec(), 3u64.to_le_bytes().to_vec(), elements.concat()].concat()
        };
        let scores = [0f32, -1.0, -2.0].map(|score| score.to_le_bytes().to_vec());
        let numbers =
            [b"GGUF".to_vec(), 3u32.to_le_bytes().to_vec(), [0u64, 4].map(u64::to_le_bytes).concat()];
        let keys = [
            key("model", 8, text("llama")),
            key("tokens", 9, array(8, ["<unk>", "\u{2581}", "a"].map(text))),
            key("scores", 9, array(6, scores)),
            key("add_space_prefix", 7, vec![u8::from(add_space_prefix)]),
        ];
        [numbers.concat(), keys.concat()].concat()
    }

    #[test]
    fn a_space_is_stripped_only_where_one_was_added() {
        for added in [true, false] {
            let bytes = file(added);
            let made = tokenizer_json(&GgufHeader::parse(&bytes).unwrap()).unwrap();
            let made: Value = serde_json::from_str(&made).unwrap();
            let has =
                |part: &Value, kind: &str| part.as_array().unwrap().iter().any(|one| one["type"] == kind);
            assert_eq!(has(&made["normalizer"]["normalizers"], "Prepend"), added);
            assert_eq!(has(&made["decoder"]["decoders"], "Strip"), added);
        }
    }
}
