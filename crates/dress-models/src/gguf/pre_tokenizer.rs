//! How a byte-level vocabulary splits a text before it merges, by the name that `tokenizer.ggml.pre` gives.
//! The names are compared with llama.cpp on texts in many scripts by `tests/parity/compare_pre.py`.

use serde_json::{Value, json};

/// A way to split that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreTokenizer {
    /// GPT-2's.
    Gpt2,
    /// GPT-2's, with every digit by itself.
    Digits,
    /// LLaMA-3's, whose vocabulary also holds whole words that no merge makes.
    Llama3,
    /// LLaMA-3's, and every token is made by merges.
    Dbrx,
    /// Qwen-2's: LLaMA-3's, with every digit by itself.
    Qwen2,
    /// GPT-4o's: words end where letters of upper case begin, and up to three digits are together. Phi-4-mini
    /// has it.
    Gpt4o,
    /// Mistral's since Nemo: GPT-4o's without contractions and with every digit by itself, and its vocabulary
    /// also holds whole words that no merge makes.
    Tekken,
    /// llama.cpp's own, where a file names none.
    Default,
}

/// Names by the way to split they stand for.
const NAMES: [(PreTokenizer, &[&str]); 8] = [
    (PreTokenizer::Default, &["default"]),
    (PreTokenizer::Gpt2, &["gpt-2", "phi-2", "mpt", "olmo", "jais"]),
    (PreTokenizer::Digits, &["smollm", "starcoder", "refact", "command-r", "codeshell"]),
    (PreTokenizer::Llama3, &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"]),
    (PreTokenizer::Dbrx, &["dbrx", "smaug-bpe"]),
    (PreTokenizer::Qwen2, &["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2"]),
    (PreTokenizer::Gpt4o, &["gpt-4o", "llama4"]),
    (PreTokenizer::Tekken, &["tekken"]),
];

const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// llama.cpp knows the case of ASCII's letters alone: all others are of either, and marks are no part of a
/// word.
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The same as `tokenizer.json` files have it, which llama.cpp writes out for the letters of ASCII, and
/// GPT-2's.
#[cfg(feature = "tokenizer")]
const STOCK: [(PreTokenizer, &str); 5] = [
    (
        PreTokenizer::Llama3,
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (
        PreTokenizer::Qwen2,
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (
        PreTokenizer::Gpt4o,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (
        PreTokenizer::Tekken,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (PreTokenizer::Gpt2, r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
];

/// One after the other.
const DEFAULT: [&str; 4] = [
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
];

impl PreTokenizer {
    /// The way to split of a name, where it is known.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(way, _)| *way)
    }

    /// Its first name in llama.cpp.
    #[cfg(feature = "tokenizer")]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(way, _)| *way == self).map_or("default", |(_, names)| names[0])
    }

    /// The way to split of a `pre_tokenizer`, where llama.cpp has it, for a vocabulary with or without words
    /// that no merge makes.
    #[cfg(feature = "tokenizer")]
    pub fn of_json(pre_tokenizer: &Value, ignores_merges: bool) -> Option<Self> {
        let steps = match pre_tokenizer["pretokenizers"].as_array() {
            Some(steps) => steps.iter().collect(),
            None => vec![pre_tokenizer],
        };
        let (bytes, steps) = steps.split_last()?;
        let is = |step: &Value, kind: &str| step["type"] == kind;
        if !is(bytes, "ByteLevel") || bytes["add_prefix_space"] != false {
            return None;
        }
        // Old files leave it out where it is on.
        let by_gpt2 = bytes["use_regex"] != false;
        let way = match steps {
            [] if by_gpt2 => Self::Gpt2,
            [digits] if by_gpt2 && is(digits, "Digits") && digits["individual_digits"] == true => {
                Self::Digits
            }
            splits if !by_gpt2 => Self::of_splits(splits)?,
            _ => return None,
        };
        match way {
            Self::Llama3 if !ignores_merges => Some(Self::Dbrx),
            way => (way.ignores_merges() == ignores_merges).then_some(way),
        }
    }

    #[cfg(feature = "tokenizer")]
    fn of_splits(splits: &[&Value]) -> Option<Self> {
        let regexes: Vec<&str> =
            splits.iter().map(|step| step["pattern"]["Regex"].as_str()).collect::<Option<_>>()?;
        let isolates = |step: &&Value| step["behavior"] == "Isolated" && step["invert"] == false;
        // Each of the single patterns matches every character, so that nothing is between its matches.
        let keeps_matches =
            |step: &&Value| regexes.len() == 1 && step["behavior"] == "Removed" && step["invert"] == true;
        match regexes[..] {
            _ if !splits.iter().all(|step| isolates(step) || keeps_matches(step)) => None,
            [LLAMA3] => Some(Self::Llama3),
            [QWEN2] => Some(Self::Qwen2),
            [GPT4O] => Some(Self::Gpt4o),
            [TEKKEN] => Some(Self::Tekken),
            [one] => STOCK.iter().find(|(_, regex)| *regex == one).map(|(way, _)| *way),
            _ => (regexes == DEFAULT).then_some(Self::Default),
        }
    }

    /// Whether llama.cpp's way of this name is not that of `pre_tokenizer` for letters and marks beyond
    /// ASCII.
    #[cfg(feature = "tokenizer")]
    pub fn is_of_ascii_alone(self, pre_tokenizer: &Value) -> bool {
        matches!(self, Self::Gpt4o | Self::Tekken) && self.json() != *pre_tokenizer
    }

    /// Whether every text is opened by the first token where the file does not say.
    pub fn adds_bos(self) -> bool {
        matches!(self, Self::Llama3 | Self::Tekken)
    }

    /// Whether a word that the vocabulary has is one token even if no merge makes it.
    pub fn ignores_merges(self) -> bool {
        matches!(self, Self::Llama3 | Self::Tekken)
    }

    /// The `pre_tokenizer` of a `tokenizer.json`.
    pub fn json(self) -> Value {
        let parts = match self {
            Self::Gpt2 => return byte_level(true),
            Self::Digits => vec![json!({ "type": "Digits", "individual_digits": true }), byte_level(true)],
            Self::Llama3 | Self::Dbrx => vec![split(LLAMA3), byte_level(false)],
            Self::Qwen2 => vec![split(QWEN2), byte_level(false)],
            Self::Gpt4o => vec![split(GPT4O), byte_level(false)],
            Self::Tekken => vec![split(TEKKEN), byte_level(false)],
            Self::Default => DEFAULT.map(split).into_iter().chain([byte_level(false)]).collect(),
        };
        json!({ "type": "Sequence", "pretokenizers": parts })
    }
}

/// Bytes as printable characters.
pub(super) fn byte_level(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

fn split(regex: &str) -> Value {
    json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false })
}

#[cfg(all(test, feature = "tokenizer"))]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_split_is_known_again_by_its_json() {
        for (way, names) in NAMES {
            assert_eq!(PreTokenizer::of_json(&way.json(), way.ignores_merges()), Some(way), "{names:?}");
            assert_eq!(PreTokenizer::named(way.name()), Some(way));
        }
    }

    #[test]
    fn ways_of_published_files_are_known_and_others_are_not() {
        let sequence = |steps: Vec<Value>| json!({ "type": "Sequence", "pretokenizers": steps });
        for (way, regex) in STOCK {
            let stock = sequence(vec![split(regex), byte_level(false)]);
            let ignores = way.ignores_merges();
            assert_eq!(PreTokenizer::of_json(&stock, ignores), Some(way));
            // What matches is kept and what lies between goes, which is nothing.
            let mut kept = stock;
            kept["pretokenizers"][0]["behavior"] = "Removed".into();
            assert_eq!(PreTokenizer::of_json(&kept, ignores), None, "{kept}");
            kept["pretokenizers"][0]["invert"] = true.into();
            assert_eq!(PreTokenizer::of_json(&kept, ignores), Some(way));
            assert_eq!(
                way.is_of_ascii_alone(&kept),
                [PreTokenizer::Gpt4o, PreTokenizer::Tekken].contains(&way)
            );
            assert!(!way.is_of_ascii_alone(&way.json()));
        }
        for other in [
            Value::Null,
            json!({ "type": "Whitespace" }),
            sequence(vec![split(r"\d+"), byte_level(false)]),
            sequence(vec![split(LLAMA3), byte_level(true)]),
            json!({ "type": "ByteLevel", "add_prefix_space": true, "use_regex": true }),
        ] {
            assert_eq!(PreTokenizer::of_json(&other, false), None, "{other}");
        }
        assert_eq!(PreTokenizer::of_json(&byte_level(true), true), None, "words that no merge makes");
    }
}
