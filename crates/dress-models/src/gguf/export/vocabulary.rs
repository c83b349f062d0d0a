//! From a `tokenizer.json` to the metadata of llama.cpp's tokenizer.

use super::merge_scores::merge_scores;
use super::text_ends::text_ends;
use crate::gguf::entry::Entry;
use crate::gguf::pre_tokenizer::PreTokenizer;
use crate::gguf::tokenizer::{BYTE, CONTROL, ENDS, NORMAL, UNKNOWN, UNUSED, USER_DEFINED};
use crate::name_lists::ten;
use serde_json::Value;
use std::collections::HashMap;

/// What a model's files say of its tokens beside `tokenizer.json`.
#[derive(Debug, Clone, Default)]
pub(super) struct NamedTokens {
    /// Ids by the names that files give them: `bos_token`, `eos_token`, `unk_token` and `pad_token`.
    pub ids: HashMap<String, u64>,
    /// Every token that ends a text.
    pub ends: Vec<u64>,
    /// The chat template.
    pub chat_template: Option<String>,
}

/// Which of llama.cpp's tokenizers it is.
enum Kind {
    /// Bytes as printable characters, and merges.
    ByteLevel(PreTokenizer),
    /// SentencePiece's: pieces with scores, words marked by `▁`; with a mark before the first word or
    /// without.
    SentencePiece { prefix: bool },
}

/// The tokens of every row of the embedding.
struct Tokens {
    texts: Vec<String>,
    types: Vec<i64>,
}

/// The metadata of the tokenizer of a model whose embedding has so many rows, by whole keys.
///
/// # Errors
/// What llama.cpp would do otherwise.
pub(super) fn entries(
    tokenizer: &Value,
    rows: usize,
    named: &NamedTokens,
) -> Result<Vec<(String, Entry)>, String> {
    let kind = Kind::of(tokenizer)?;
    let tokens = Tokens::of(tokenizer, rows, &kind)?;
    let [open, close] = text_ends(&tokenizer["post_processor"])?;
    if let Some(id) = [open, close].into_iter().flatten().find(|&id| id >= rows as u64) {
        return Err(format!(
            "its tokenizer puts the token {id} at an end of every text, and the embedding has {rows} rows"
        ));
    }
    let text = |name: &str| Entry::Text(name.into());
    let mut entries = match &kind {
        Kind::ByteLevel(way) => vec![
            ("model", text("gpt2")),
            ("pre", text(way.name())),
            ("merges", Entry::Texts(merges(tokenizer)?.iter().map(|(a, b)| format!("{a} {b}")).collect())),
        ],
        Kind::SentencePiece { prefix } => vec![
            ("model", text("llama")),
            ("pre", text("default")),
            ("scores", Entry::Floats(tokens.scores(tokenizer)?)),
            ("add_space_prefix", Entry::Bool(*prefix)),
        ],
    };
    let special = special(&tokens, named, [open, close]);
    if !special.iter().any(|(key, _)| *key == "eos_token_id") {
        tracing::warn!("{}", without_end(&tokens, &kind));
    }
    entries.extend(special);
    entries.push(("add_bos_token", Entry::Bool(open.is_some())));
    entries.push(("add_eos_token", Entry::Bool(close.is_some())));
    entries.push(("token_type", Entry::Numbers(tokens.types.iter().map(|&kind| kind as i32).collect())));
    entries.push(("tokens", Entry::Texts(tokens.texts)));
    let mut entries: Vec<_> =
        entries.into_iter().map(|(key, entry)| (format!("tokenizer.ggml.{key}"), entry)).collect();
    let template = named.chat_template.clone().map(Entry::Text);
    entries.extend(template.map(|template| ("tokenizer.chat_template".to_string(), template)));
    Ok(entries)
}

impl Kind {
    fn of(tokenizer: &Value) -> Result<Self, String> {
        let model = &tokenizer["model"];
        if model["type"] != "BPE" {
            let found = model["type"].as_str().unwrap_or("none");
            return Err(format!("its tokenizer is of the type {found}, and byte pairs alone are written"));
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if model[key].as_str().is_some_and(|mark| !mark.is_empty()) {
                return Err(format!("its tokenizer has a `{key}`, which llama.cpp has not"));
            }
        }
        if [&tokenizer["pre_tokenizer"], &tokenizer["decoder"]].into_iter().any(is_byte_level) {
            return Self::byte_level(tokenizer);
        }
        match (model["byte_fallback"] == true, space_prefix(tokenizer)) {
            (true, Some(prefix)) => Ok(Self::SentencePiece { prefix }),
            _ => Err("its tokenizer is neither of the byte-level kind nor SentencePiece's".into()),
        }
    }

    fn byte_level(tokenizer: &Value) -> Result<Self, String> {
        match tokenizer["normalizer"]["type"].as_str() {
            None => {}
            Some("NFC") => tracing::warn!(
                "the tokenizer brings texts into the form NFC, which llama.cpp does not: texts in another form get other ids"
            ),
            Some(other) => {
                return Err(format!("its tokenizer has the normalizer {other}, which llama.cpp has not"));
            }
        }
        let ignores_merges = tokenizer["model"]["ignore_merges"] == true;
        let pre_tokenizer = &tokenizer["pre_tokenizer"];
        let way = PreTokenizer::of_json(pre_tokenizer, ignores_merges).ok_or(
            "how its tokenizer splits a text before it merges is none of the ways that llama.cpp has a name for",
        )?;
        if way.is_of_ascii_alone(pre_tokenizer) {
            tracing::warn!(
                "llama.cpp's `{}` knows the case of ASCII's letters alone and ends a word at a combining mark: texts in other \
                 letters may get other ids",
                way.name()
            );
        }
        Ok(Self::ByteLevel(way))
    }
}

fn is_byte_level(part: &Value) -> bool {
    let steps = ["pretokenizers", "decoders"].into_iter().filter_map(|key| part[key].as_array()).flatten();
    part["type"] == "ByteLevel" || steps.into_iter().any(is_byte_level)
}

/// Whether words are marked by `▁` in SentencePiece's ways, and the first one as well.
fn space_prefix(tokenizer: &Value) -> Option<bool> {
    let (normalizer, pre) = (&tokenizer["normalizer"], &tokenizer["pre_tokenizer"]);
    if normalizer.is_null() && pre["type"] == "Metaspace" {
        let plain = pre["replacement"] == "\u{2581}" && pre["split"] == false;
        return plain.then(|| pre["prepend_scheme"] != "never");
    }
    let steps = match normalizer["normalizers"].as_array() {
        Some(steps) => steps.iter().collect(),
        None => vec![normalizer],
    };
    let replaces = |step: &Value| {
        step["type"] == "Replace" && step["pattern"]["String"] == " " && step["content"] == "\u{2581}"
    };
    let prepends = |step: &Value| step["type"] == "Prepend" && step["prepend"] == "\u{2581}";
    match steps[..] {
        _ if !pre.is_null() && !splits_at_blanks(pre) => None,
        [one] if replaces(one) => Some(false),
        [first, second] if prepends(first) && replaces(second) => Some(true),
        _ => None,
    }
}

/// Whether a text is split at blanks alone, of which the normalizer has left none. `GemmaTokenizer` always
/// writes this.
fn splits_at_blanks(pre: &Value) -> bool {
    pre["type"] == "Split" && pre["pattern"]["String"] == " " && pre["invert"] == false
}

/// The merges as pairs of tokens.
fn merges(tokenizer: &Value) -> Result<Vec<(&str, &str)>, String> {
    fn pair(merge: &Value) -> Option<(&str, &str)> {
        match merge.as_str() {
            Some(text) => text.split_once(' '),
            None => Some((merge[0].as_str()?, merge[1].as_str()?)),
        }
    }
    let listed = tokenizer["model"]["merges"].as_array().into_iter().flatten();
    let pairs: Option<Vec<_>> = listed.map(pair).collect();
    let pairs = pairs.ok_or("its tokenizer's merges are not pairs")?;
    let blank = |(left, right): &&(&str, &str)| left.contains(' ') || right.contains(' ');
    match pairs.iter().find(blank) {
        Some((left, right)) => Err(format!("a merge of its tokenizer has a blank: {left:?} and {right:?}")),
        None => Ok(pairs),
    }
}

impl Tokens {
    fn of(tokenizer: &Value, rows: usize, kind: &Kind) -> Result<Self, String> {
        let mut slots: Vec<Option<(&str, i64)>> = vec![None; rows];
        let mut put = |text, id: Option<u64>, kind| -> Result<(), String> {
            let slot = id.and_then(|id| slots.get_mut(usize::try_from(id).ok()?));
            *slot.ok_or_else(|| {
                format!("its tokenizer has the token {text:?}, and the embedding {rows} rows")
            })? = Some((text, kind));
            Ok(())
        };
        let pieces = matches!(kind, Kind::SentencePiece { .. });
        let unknown = tokenizer["model"]["unk_token"].as_str().filter(|_| pieces);
        for (text, id) in tokenizer["model"]["vocab"].as_object().into_iter().flatten() {
            let kind = if pieces && is_byte(text) { BYTE } else { NORMAL };
            put(text, id.as_u64(), if Some(text.as_str()) == unknown { UNKNOWN } else { kind })?;
        }
        let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
        let (added, beyond): (Vec<&Value>, Vec<&Value>) =
            added.partition(|token| token["id"].as_u64().is_none_or(|id| id < rows as u64));
        warn_of_tokens_beyond(&beyond, rows);
        for token in added {
            let text = token["content"].as_str().ok_or("an added token of its tokenizer has no text")?;
            let kind = if token["special"] == true { CONTROL } else { USER_DEFINED };
            put(text, token["id"].as_u64(), if Some(text) == unknown { UNKNOWN } else { kind })?;
        }
        // Rows without a token, as llama.cpp's converter fills them.
        let slots = slots.into_iter().enumerate().map(|(id, slot)| match slot {
            Some((text, kind)) => (text.to_string(), kind),
            None => (format!("[PAD{id}]"), UNUSED),
        });
        let (texts, types): (Vec<_>, Vec<_>) = slots.unzip();
        let made = Self { texts, types };
        made.check_bytes(pieces).map(|()| made)
    }

    /// A character that is no piece falls back to its bytes, all of which have to be there.
    fn check_bytes(&self, pieces: bool) -> Result<(), String> {
        let bytes = self.types.iter().filter(|&&kind| kind == BYTE).count();
        match pieces && bytes != 256 {
            true => {
                Err(format!("its tokenizer has {bytes} of the 256 tokens of bytes, and llama.cpp needs all"))
            }
            false => Ok(()),
        }
    }

    fn scores(&self, tokenizer: &Value) -> Result<Vec<f32>, String> {
        let pieces = self.texts.iter().zip(&self.types);
        let pieces: Vec<_> = pieces.map(|(text, &kind)| (text.as_str(), kind == NORMAL)).collect();
        let scores = merge_scores(&pieces, &merges(tokenizer)?).map_err(|why| {
            format!("llama.cpp merges pieces by their scores, and this tokenizer otherwise: {why}")
        })?;
        let least = -(scores.len() as f32) - 1.0;
        let score = |(text, kind): (&String, &i64)| match scores.get(text) {
            Some(score) => *score,
            None if *kind == NORMAL => least,
            None => 0.0,
        };
        Ok(self.texts.iter().zip(&self.types).map(score).collect())
    }
}

/// A text with such a token has none of the model's embeddings there, as that of Gemma 3's images.
fn warn_of_tokens_beyond(beyond: &[&Value], rows: usize) {
    if !beyond.is_empty() {
        let texts: Vec<&str> = beyond.iter().filter_map(|token| token["content"].as_str()).collect();
        tracing::warn!(
            "the embedding has {rows} rows, and added tokens beyond them are not in the file: {}",
            ten(&texts)
        );
    }
}

fn is_byte(token: &str) -> bool {
    let hexadecimal = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    hexadecimal
        .is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// What llama.cpp does with a vocabulary that names no token which ends a text: Falcon's or LLaMA's is one.
fn without_end(tokens: &Tokens, kind: &Kind) -> String {
    let id = match kind {
        Kind::ByteLevel(_) => 11,
        Kind::SentencePiece { .. } => 2,
    };
    match tokens.texts.get(id) {
        Some(text) => format!(
            "the model's files name no token that ends a text, and llama.cpp then ends one at token {id}, {text:?}; say which it \
             is with eos_token_id in generation_config.json"
        ),
        None => "the model's files name no token that ends a text".into(),
    }
}

/// The ids of the tokens that have a meaning of their own.
fn special(
    tokens: &Tokens,
    named: &NamedTokens,
    [open, close]: [Option<u64>; 2],
) -> Vec<(&'static str, Entry)> {
    let id = |name: &str| named.ids.get(name).copied();
    let begin = open.or(id("bos_token"));
    let end = close.or(id("eos_token")).or(named.ends.first().copied());
    let by_name = |id: &u64| tokens.texts.get(*id as usize).is_some_and(|text| ENDS.contains(&text.as_str()));
    let mut more = named.ends.iter().filter(|id| Some(**id) != end && !by_name(id)).copied();
    let ids = [
        ("bos_token_id", begin),
        ("eos_token_id", end),
        ("unknown_token_id", id("unk_token")),
        ("padding_token_id", id("pad_token")),
        ("eot_token_id", more.next()),
        ("eom_token_id", more.next()),
    ];
    if let Some(left) = more.next() {
        tracing::warn!("the model ends a text at the token {left} too, for which a GGUF file has no key");
    }
    let there = |id: &u64| (*id as usize) < tokens.texts.len();
    ids.into_iter().filter_map(|(key, id)| Some((key, Entry::U32(id.filter(there)? as u32)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_without_an_end_says_which_token_llama_cpp_takes() {
        let tokens = |count: u32| Tokens {
            texts: (0..count).map(|id| format!("t{id}")).collect(),
            types: vec![NORMAL; count as usize],
        };
        let says = without_end(&tokens(12), &Kind::ByteLevel(PreTokenizer::Gpt2));
        assert!(says.contains("token 11, \"t11\";"), "{says}");
        let says = without_end(&tokens(12), &Kind::SentencePiece { prefix: true });
        assert!(says.contains("token 2, \"t2\";"), "{says}");
        let says = without_end(&tokens(11), &Kind::ByteLevel(PreTokenizer::Gpt2));
        assert!(!says.contains("llama.cpp"), "{says}");
    }
}
