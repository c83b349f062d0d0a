//! From GGUF metadata to `tokenizer.json`.

use super::pre_tokenizer::{PreTokenizer, byte_level};
use super::{GgufHeader, MetadataArray};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// Types of token, by ggml's numbers.
#[cfg(feature = "tokenizer")]
pub(super) const NORMAL: i64 = 1;
pub(super) const UNKNOWN: i64 = 2;
pub(super) const CONTROL: i64 = 3;
pub(super) const USER_DEFINED: i64 = 4;
#[cfg(feature = "tokenizer")]
pub(super) const UNUSED: i64 = 5;
#[cfg(feature = "tokenizer")]
pub(super) const BYTE: i64 = 6;

/// Tokens that end a text in llama.cpp whatever type the file gives them, and are control tokens.
pub(super) const ENDS: [&str; 12] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<|return|>",
    "<|call|>",
];

/// Tokens of a model called Phi-3 that leave the blanks behind them.
const UNSTRIPPED: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// The tokens of a file and what its metadata says of them.
pub(super) struct Vocabulary<'a> {
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
    pub fn read(header: &'a GgufHeader<'a>) -> Result<Self, String> {
        let list = |name: &str| {
            let key = format!("tokenizer.ggml.{name}");
            header.metadata.get(key.as_str()).and_then(|value| value.array())
        };
        let tokens = list("tokens").ok_or("its metadata has no tokenizer.ggml.tokens")?;
        let tokens: Option<Vec<&str>> = tokens.iter().map(|token| token.text()).collect();
        let tokens = tokens.ok_or("tokenizer.ggml.tokens are not texts")?;
        let mut seen = HashSet::new();
        if let Some(twice) = tokens.iter().find(|token| !seen.insert(**token)) {
            return Err(format!("tokenizer.ggml.tokens have {twice:?} twice; {REMEDY}"));
        }
        for name in ["token_type", "scores"] {
            if let Some(found) = list(name).map(MetadataArray::len).filter(|&len| len != tokens.len() as u64)
            {
                return Err(format!(
                    "tokenizer.ggml.{name} are {found} for {} tokens; {REMEDY}",
                    tokens.len()
                ));
            }
        }
        let types = list("token_type")
            .map(|types| types.iter().map(|kind| kind.float().unwrap_or(1.0) as i64).collect::<Vec<_>>());
        let mut vocabulary = Self { header, types: types.unwrap_or_else(|| vec![1; tokens.len()]), tokens };
        for id in vocabulary.named_ends() {
            vocabulary.types[id] = CONTROL;
        }
        Ok(vocabulary)
    }

    /// The ids of the tokens that end a text by their names.
    fn named_ends(&self) -> Vec<usize> {
        let ends = self.tokens.iter().enumerate().filter(|(_, token)| ENDS.contains(token));
        ends.map(|(id, _)| id).collect()
    }

    /// Every token that ends a text: those that the metadata names, and those that llama.cpp knows by their
    /// names.
    pub fn ends(&self) -> Vec<u64> {
        let said = ["eos", "eot", "eom"].into_iter().filter_map(|name| Some(self.special(name)?.0));
        let named = self.named_ends().into_iter().map(|id| id as u64);
        let mut ends: Vec<u64> = said.chain(named).collect();
        let mut seen = HashSet::new();
        ends.retain(|id| seen.insert(*id));
        ends
    }

    /// The id and the text of a special token, such as `bos`: what the file says, or else what
    /// SentencePiece's always are.
    pub fn special(&self, name: &str) -> Option<(u64, &'a str)> {
        let default = match (self.key("model").and_then(|kind| kind.text()), name) {
            (Some("llama"), "unknown") => Some(0),
            (Some("llama"), "bos") => Some(1),
            (Some("llama"), "eos") => Some(2),
            _ => None,
        };
        let token = |id: u64| Some((id, *self.tokens.get(usize::try_from(id).ok()?)?));
        let said = self.key(&format!("{name}_token_id")).and_then(|id| id.unsigned());
        said.and_then(token).or_else(|| token(default?))
    }

    fn key(&self, name: &str) -> Option<super::MetadataValue<'a>> {
        self.header.metadata.get(format!("tokenizer.ggml.{name}").as_str()).copied()
    }

    fn vocab(&self) -> Map<String, Value> {
        self.tokens.iter().enumerate().map(|(id, token)| (token.to_string(), json!(id))).collect()
    }

    /// Control and user-defined tokens, which no merge makes. As GGUF does not say which of them take the
    /// blanks behind them, llama.cpp goes by the model's name.
    fn added_tokens(&self) -> Vec<Value> {
        let name = self.header.metadata.get("general.name").and_then(|name| name.text());
        let strips =
            name.map(str::to_lowercase).is_some_and(|name| name.contains("phi-3") || name.contains("phi3"));
        let added = self.tokens.iter().zip(&self.types).enumerate();
        let added = added.filter(|(_, (_, kind))| [UNKNOWN, CONTROL, USER_DEFINED].contains(kind));
        added
            .map(|(id, (token, kind))| {
                json!({ "id": id, "content": token, "single_word": false, "lstrip": false,
                    "rstrip": strips && !UNSTRIPPED.contains(token), "normalized": false,
                    "special": *kind != USER_DEFINED })
            })
            .collect()
    }

    /// A template that opens and closes every text with the tokens that the file says.
    fn post_processor(&self, adds_bos: bool) -> Result<Value, String> {
        let open = self.edge("bos", adds_bos)?;
        let close = self.edge("eos", false)?;
        let token = |(_, text): (u64, &str)| json!({ "SpecialToken": { "id": text, "type_id": 0 } });
        let sequence = |id: &str| {
            let text = json!({ "Sequence": { "id": id, "type_id": 0 } });
            open.map(token).into_iter().chain([text]).chain(close.map(token)).collect::<Vec<_>>()
        };
        let special = open.into_iter().chain(close);
        let special: Map<String, Value> = special
            .map(|(id, token)| (token.into(), json!({ "id": token, "ids": [id], "tokens": [token] })))
            .collect();
        let pair = [sequence("A"), sequence("B")].concat();
        Ok(json!({ "type": "TemplateProcessing", "single": sequence("A"), "pair": pair,
            "special_tokens": special }))
    }

    /// The token that is put at one end of every text, where one is.
    fn edge(&self, name: &str, default: bool) -> Result<Option<(u64, &'a str)>, String> {
        let said = self.key(&format!("add_{name}_token")).and_then(|value| value.bool());
        match (said.unwrap_or(default), self.special(name)) {
            (false, _) => Ok(None),
            (true, Some(token)) => Ok(Some(token)),
            (true, None) => Err(format!(
                "its tokenizer adds a token to every text that tokenizer.ggml.{name}_token_id does not name; {REMEDY}"
            )),
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
        let way = PreTokenizer::named(pre).ok_or_else(|| {
            format!("how `{pre}` (tokenizer.ggml.pre) splits a text is not known here; {REMEDY}")
        })?;
        let model = json!({ "type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": way.ignores_merges(), "vocab": self.vocab(),
            "merges": pairs.ok_or("tokenizer.ggml.merges are not pairs")? });
        Ok(parts(json!({ "normalizer": null, "pre_tokenizer": way.json(), "model": model,
            "post_processor": self.post_processor(way.adds_bos())?, "decoder": byte_level(true) })))
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
            "post_processor": self.post_processor(true)?,
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
    use super::super::written::{Entry, header_of, texts};
    use super::*;

    type Keys = Vec<(&'static str, Entry)>;

    /// Three pieces of SentencePiece's kind.
    fn pieces() -> Keys {
        vec![
            ("tokenizer.ggml.model", Entry::Text("llama".into())),
            ("tokenizer.ggml.tokens", texts(&["<unk>", "\u{2581}", "a"])),
            ("tokenizer.ggml.scores", Entry::Floats(vec![0.0, -1.0, -2.0])),
        ]
    }

    /// Four tokens of the byte-level kind.
    fn byte_pairs() -> Keys {
        vec![
            ("tokenizer.ggml.model", Entry::Text("gpt2".into())),
            ("tokenizer.ggml.pre", Entry::Text("gpt-2".into())),
            ("tokenizer.ggml.tokens", texts(&["<s>", "</s>", "a", "<|im_end|>"])),
            ("tokenizer.ggml.merges", texts(&[])),
            ("tokenizer.ggml.bos_token_id", Entry::U32(0)),
            ("tokenizer.ggml.eos_token_id", Entry::U32(1)),
        ]
    }

    fn made(keys: &Keys) -> Result<Value, String> {
        let bytes = header_of(keys);
        let text = tokenizer_json(&GgufHeader::parse(&bytes).unwrap())?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    fn with(mut keys: Keys, key: &'static str, entry: Entry) -> Keys {
        keys.retain(|(known, _)| *known != key);
        keys.push((key, entry));
        keys
    }

    #[test]
    fn a_space_is_stripped_only_where_one_was_added() {
        for added in [true, false] {
            let keys = with(pieces(), "tokenizer.ggml.add_space_prefix", Entry::Bool(added));
            let made = made(&keys).unwrap();
            let has =
                |part: &Value, kind: &str| part.as_array().unwrap().iter().any(|one| one["type"] == kind);
            assert_eq!(has(&made["normalizer"]["normalizers"], "Prepend"), added);
            assert_eq!(has(&made["decoder"]["decoders"], "Strip"), added);
        }
    }

    #[test]
    fn a_text_is_opened_and_closed_as_the_file_says() {
        for (bos, eos, expected) in [
            (false, false, vec!["A"]),
            (true, false, vec!["<s>", "A"]),
            (false, true, vec!["A", "</s>"]),
            (true, true, vec!["<s>", "A", "</s>"]),
        ] {
            let keys = with(byte_pairs(), "tokenizer.ggml.add_bos_token", Entry::Bool(bos));
            let keys = with(keys, "tokenizer.ggml.add_eos_token", Entry::Bool(eos));
            let made = made(&keys).unwrap();
            let single = made["post_processor"]["single"].as_array().unwrap();
            let id = |part: &Value| {
                let part = part.get("SpecialToken").or_else(|| part.get("Sequence")).unwrap();
                part["id"].as_str().unwrap().to_string()
            };
            assert_eq!(single.iter().map(id).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn sentencepiece_s_first_token_is_1_where_the_file_names_none_and_a_byte_level_one_is_refused() {
        assert_eq!(made(&pieces()).unwrap()["post_processor"]["single"][0]["SpecialToken"]["id"], "\u{2581}");
        let mut keys = with(byte_pairs(), "tokenizer.ggml.add_bos_token", Entry::Bool(true));
        keys.retain(|(key, _)| *key != "tokenizer.ggml.bos_token_id");
        assert!(made(&keys).unwrap_err().contains("tokenizer.ggml.bos_token_id"));
    }

    #[test]
    fn tokens_that_end_a_text_are_told_by_id_and_by_name() {
        let keys = with(byte_pairs(), "tokenizer.ggml.eot_token_id", Entry::U32(2));
        let bytes = header_of(&keys);
        let header = GgufHeader::parse(&bytes).unwrap();
        assert_eq!(Vocabulary::read(&header).unwrap().ends(), [1, 2, 3]);
        let added = &made(&keys).unwrap()["added_tokens"];
        assert_eq!((&added[0]["content"], &added[0]["special"]), (&json!("<|im_end|>"), &json!(true)));
    }

    #[test]
    fn special_tokens_of_a_model_called_phi_3_take_the_blanks_behind_them() {
        for (name, strips) in [("Phi-3 mini", true), ("a phi3", true), ("Phi-2", false)] {
            let mut keys = with(byte_pairs(), "general.name", Entry::Text(name.into()));
            keys.push(("tokenizer.ggml.token_type", Entry::Numbers(vec![3, 3, 1, 3])));
            let added = &made(&keys).unwrap()["added_tokens"];
            assert_eq!([&added[0]["rstrip"], &added[1]["rstrip"]], [&json!(false), &json!(strips)], "{name}");
        }
    }

    #[test]
    fn a_way_to_split_that_is_not_known_is_refused_by_name() {
        let keys = with(byte_pairs(), "tokenizer.ggml.pre", Entry::Text("acme".into()));
        let message = made(&keys).unwrap_err();
        assert!(message.contains("`acme`") && message.contains("tokenizer.ggml.pre"), "{message}");
    }

    #[test]
    fn lists_of_other_lengths_and_tokens_that_are_there_twice_are_errors() {
        let keys = with(pieces(), "tokenizer.ggml.scores", Entry::Floats(vec![0.0]));
        assert!(made(&keys).unwrap_err().contains("tokenizer.ggml.scores are 1 for 3 tokens"));
        let keys = with(pieces(), "tokenizer.ggml.token_type", Entry::Numbers(vec![1; 4]));
        assert!(made(&keys).unwrap_err().contains("tokenizer.ggml.token_type are 4 for 3 tokens"));
        let keys = with(pieces(), "tokenizer.ggml.tokens", texts(&["a", "b", "a"]));
        assert!(made(&keys).unwrap_err().contains("\"a\" twice"));
    }
}
