//! How a byte-level vocabulary splits a text before it merges, by the name that `tokenizer.ggml.pre` gives. Each name
//! that is read was compared with llama.cpp on texts in many scripts (`tests/parity/compare_pre.py`).

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
    /// Qwen-2's: LLaMA-3's, with every digit by itself.
    Qwen2,
    /// llama.cpp's own, where a file names none.
    Default,
}

/// Names by the way to split they stand for.
const NAMES: [(PreTokenizer, &[&str]); 5] = [
    (PreTokenizer::Default, &["default"]),
    (PreTokenizer::Gpt2, &["gpt-2", "phi-2", "mpt", "olmo", "jais"]),
    (PreTokenizer::Digits, &["smollm", "starcoder", "refact", "command-r", "codeshell"]),
    (PreTokenizer::Llama3, &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"]),
    (PreTokenizer::Qwen2, &["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2"]),
];

const LLAMA3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

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

    /// Whether every text is opened by the first token where the file does not say.
    pub fn adds_bos(self) -> bool {
        self == Self::Llama3
    }

    /// Whether a word that the vocabulary has is one token even if no merge makes it.
    pub fn ignores_merges(self) -> bool {
        self == Self::Llama3
    }

    /// The `pre_tokenizer` of a `tokenizer.json`.
    pub fn json(self) -> Value {
        let parts = match self {
            Self::Gpt2 => return byte_level(true),
            Self::Digits => vec![json!({ "type": "Digits", "individual_digits": true }), byte_level(true)],
            Self::Llama3 => vec![split(LLAMA3), byte_level(false)],
            Self::Qwen2 => vec![split(QWEN2), byte_level(false)],
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
