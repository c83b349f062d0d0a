//! Which of stock's tokenizer classes reads a directory. Some of them take only vocabulary, merges and
//! post-processor from `tokenizer.json` and make normalizer and pre-tokenizer anew.

use tokenizers::decoders::{
    DecoderWrapper, byte_fallback::ByteFallback, fuse::Fuse, sequence::Sequence, strip::Strip,
};
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::Replace;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{ModelWrapper, PreTokenizerWrapper, Tokenizer};

/// A class of `transformers`, as far as it changes the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `tokenizer.json` is taken as it is.
    File,
    /// `GPT2Tokenizer`: bytes, split by GPT-2's pattern.
    Gpt2,
    /// `CodeGenTokenizer`, which is GPT-2's under another name.
    CodeGen,
    /// `LlamaTokenizer`: words marked by `▁`, unknown characters as bytes.
    Llama,
}

/// Families whose `tokenizer.json` stock takes as it is, whatever class their files name: Phi-4-mini's name
/// GPT-2's and hold another tokenizer. Of Qwen2 stock makes a class of its own, which is what its published
/// files hold.
const OF_NO_CLASS: [&str; 5] = ["mistral", "phi3", "granite", "olmo2", "qwen2"];

impl Class {
    /// The class for what the files declare and for the model's family, as `AutoTokenizer` chooses.
    pub fn of(declared: Option<&str>, model_type: Option<&str>, file: Option<&Tokenizer>) -> Self {
        let family = match model_type {
            Some("opt" | "phi" | "gpt2") => Self::Gpt2,
            _ => Self::File,
        };
        let class = match declared.map(|name| name.strip_suffix("Fast").unwrap_or(name)) {
            Some("GPT2Tokenizer") => Self::Gpt2,
            Some("CodeGenTokenizer") => Self::CodeGen,
            // LLaMA-3's files name the class of LLaMA-2 and hold another tokenizer.
            Some("LlamaTokenizer") if !file.is_some_and(is_byte_level) => Self::Llama,
            Some(_) => Self::File,
            None => family,
        };
        // A class that makes BPE has nothing to make of another model.
        let makes = |file: &Tokenizer| {
            matches!(file.get_model(), ModelWrapper::BPE(_))
                && model_type.is_none_or(|family| !OF_NO_CLASS.contains(&family))
        };
        if file.is_none_or(makes) { class } else { Self::File }
    }

    /// Special tokens of the class where the files name none.
    pub fn default_token(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Self::Gpt2 | Self::CodeGen, "bos_token" | "eos_token" | "unk_token") => Some("<|endoftext|>"),
            (Self::Llama, "bos_token") => Some("<s>"),
            (Self::Llama, "eos_token") => Some("</s>"),
            (Self::Llama, "unk_token") => Some("<unk>"),
            _ => None,
        }
    }

    /// Whether the class reads `vocab.json` and `merges.txt`.
    pub fn reads_vocab_json(self) -> bool {
        matches!(self, Self::Gpt2 | Self::CodeGen)
    }

    /// A tokenizer of the class around a vocabulary with its merges, without added tokens and post-processor.
    pub fn around(self, mut bpe: BPE, prefix_space: Option<bool>, legacy: bool) -> Tokenizer {
        (bpe.dropout, bpe.unk_token, bpe.ignore_merges) = (None, None, false);
        (bpe.continuing_subword_prefix, bpe.end_of_word_suffix) = (None, None);
        (bpe.fuse_unk, bpe.byte_fallback) = (self == Self::Llama, self == Self::Llama);
        let mut made = Tokenizer::new(bpe);
        if self == Self::Llama {
            let prefix_space = prefix_space.unwrap_or(true);
            made.with_pre_tokenizer(Some(Metaspace::new('▁', scheme(prefix_space, legacy), false)));
            made.with_decoder(Some(words_and_bytes(prefix_space)));
        } else {
            let prefix_space = prefix_space.unwrap_or(false);
            made.with_pre_tokenizer(Some(ByteLevel::new(prefix_space, true, true)));
            made.with_decoder(Some(ByteLevel::default()));
        }
        made
    }
}

fn scheme(prefix_space: bool, legacy: bool) -> PrependScheme {
    match (prefix_space, legacy) {
        (false, _) => PrependScheme::Never,
        (true, true) => PrependScheme::Always,
        (true, false) => PrependScheme::First,
    }
}

fn words_and_bytes(prefix_space: bool) -> DecoderWrapper {
    let spaces = Replace::new("▁", " ").expect("a plain text is a pattern");
    let mut steps: Vec<DecoderWrapper> = vec![spaces.into(), ByteFallback::new().into(), Fuse::new().into()];
    if prefix_space {
        steps.push(Strip::new(' ', 1, 0).into());
    }
    Sequence::new(steps).into()
}

fn is_byte_level(file: &Tokenizer) -> bool {
    fn bytes(pre: &PreTokenizerWrapper) -> bool {
        match pre {
            PreTokenizerWrapper::ByteLevel(_) => true,
            PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().any(bytes),
            _ => false,
        }
    }
    file.get_pre_tokenizer().is_some_and(bytes)
        || matches!(file.get_decoder(), Some(DecoderWrapper::ByteLevel(_)))
}
