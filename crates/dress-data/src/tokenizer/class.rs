//! Which of stock's tokenizer classes reads a directory. Some of them take only vocabulary, merges and
//! post-processor from `tokenizer.json` and make normalizer and pre-tokenizer anew.

use tokenizers::decoders::{
    DecoderWrapper, byte_fallback::ByteFallback, fuse::Fuse, sequence::Sequence, strip::Strip,
};
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::{NormalizerWrapper, Replace, unicode::NFC};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as Steps;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{Model, ModelWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

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
    /// `Qwen2Tokenizer`: bytes, in the form NFC, split by a pattern of its own.
    Qwen2,
    /// `GemmaTokenizer`: blanks as `▁`, unknown characters as bytes.
    Gemma,
    /// `GPTNeoXTokenizer`: GPT-2's, in the form NFC, and never with a post-processor of the file.
    GptNeox,
}

/// Families whose `tokenizer.json` stock takes as it is, whatever class their files name: Phi-4-mini's name
/// GPT-2's and hold another tokenizer.
const OF_NO_CLASS: [&str; 4] = ["mistral", "phi3", "granite", "olmo2"];

/// The family of which stock makes one class, whatever class its files name.
pub(super) const OF_ONE_CLASS: &str = "qwen2";

/// Further classes that stock makes anew from vocabulary and merges; here the file is taken.
const NOT_MADE_HERE: [&str; 19] = [
    "BlenderbotTokenizer",
    "CLIPTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "DebertaTokenizer",
    "EsmcTokenizer",
    "HerbertTokenizer",
    "LukeTokenizer",
    "MarkupLMTokenizer",
    "NllbTokenizer",
    "NougatTokenizer",
    "OpenAIGPTTokenizer",
    "Qwen3_5Tokenizer",
    "ReformerTokenizer",
    "RobertaTokenizer",
    "SeamlessM4TTokenizer",
    "Siglip2Tokenizer",
    "Tipsv2Tokenizer",
    "WhisperTokenizer",
];

/// How Qwen2's class splits a text.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Class {
    /// The class for what the files declare and for the model's family, as `AutoTokenizer` chooses.
    pub fn of(declared: Option<&str>, model_type: Option<&str>, file: Option<&Tokenizer>) -> Self {
        let family = match model_type {
            Some("opt" | "phi" | "gpt2") => Self::Gpt2,
            Some("qwen2" | "qwen3") => Self::Qwen2,
            Some("gemma2" | "gemma3_text") => Self::Gemma,
            Some("gpt_neox") => Self::GptNeox,
            _ => Self::File,
        };
        let class = match declared.map(without_fast) {
            _ if model_type == Some(OF_ONE_CLASS) => family,
            Some("GPT2Tokenizer") => Self::Gpt2,
            Some("CodeGenTokenizer") => Self::CodeGen,
            Some("Qwen2Tokenizer") => Self::Qwen2,
            Some("GemmaTokenizer") => Self::Gemma,
            Some("GPTNeoXTokenizer") => Self::GptNeox,
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

    /// A class that stock makes anew for a family, and which is not made here.
    pub fn not_made_here<'a>(declared: Option<&'a str>, model_type: Option<&str>) -> Option<&'a str> {
        let is_of_no_class = model_type.is_some_and(|family| OF_NO_CLASS.contains(&family));
        declared.map(without_fast).filter(|name| !is_of_no_class && NOT_MADE_HERE.contains(name))
    }

    /// The name that `transformers` has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "PreTrainedTokenizerFast",
            Self::Gpt2 => "GPT2Tokenizer",
            Self::CodeGen => "CodeGenTokenizer",
            Self::Llama => "LlamaTokenizer",
            Self::Qwen2 => "Qwen2Tokenizer",
            Self::Gemma => "GemmaTokenizer",
            Self::GptNeox => "GPTNeoXTokenizer",
        }
    }

    /// Special tokens of the class where the files name none.
    pub fn default_token(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Self::Gpt2 | Self::CodeGen | Self::GptNeox, "bos_token" | "eos_token" | "unk_token") => {
                Some("<|endoftext|>")
            }
            (Self::GptNeox, "pad_token") => Some("<|padding|>"),
            (Self::Qwen2, "eos_token" | "unk_token" | "pad_token") => Some("<|endoftext|>"),
            (Self::Gemma, "bos_token") => Some("<bos>"),
            (Self::Gemma, "eos_token") => Some("<eos>"),
            (Self::Gemma, "unk_token") => Some("<unk>"),
            (Self::Gemma, "pad_token") => Some("<pad>"),
            (Self::Gemma, "mask_token") => Some("<mask>"),
            (Self::Llama, "bos_token") => Some("<s>"),
            (Self::Llama, "eos_token") => Some("</s>"),
            (Self::Llama, "unk_token") => Some("<unk>"),
            _ => None,
        }
    }

    /// Whether the class reads `vocab.json` and `merges.txt`.
    pub fn reads_vocab_json(self) -> bool {
        matches!(self, Self::Gpt2 | Self::CodeGen | Self::Qwen2 | Self::GptNeox)
    }

    /// Whether the class can be made of a vocabulary: Gemma's fails in stock where its unknown token is not
    /// there.
    pub fn can_be_made_of(self, file: &Tokenizer, unknown: Option<&str>) -> bool {
        self != Self::Gemma || unknown.is_some_and(|token| file.get_model().token_to_id(token).is_some())
    }

    /// Whether the post-processor of `tokenizer.json` is kept.
    pub fn keeps_post_processor(self) -> bool {
        self != Self::GptNeox
    }

    /// A tokenizer of the class around a vocabulary with its merges, without added tokens and post-processor.
    ///
    /// # Errors
    /// Those of setting a normalizer.
    pub fn around(
        self,
        mut bpe: BPE,
        prefix_space: Option<bool>,
        legacy: bool,
        unknown: Option<String>,
    ) -> tokenizers::Result<Tokenizer> {
        let pieces = matches!(self, Self::Llama | Self::Gemma);
        (bpe.dropout, bpe.ignore_merges) = (None, false);
        bpe.unk_token = unknown.filter(|_| self == Self::Gemma);
        (bpe.continuing_subword_prefix, bpe.end_of_word_suffix) = (None, None);
        (bpe.fuse_unk, bpe.byte_fallback) = (pieces, pieces);
        let mut made = Tokenizer::new(bpe);
        made.with_normalizer(self.normalizer()?)?;
        made.with_pre_tokenizer(Some(self.pre_tokenizer(prefix_space, legacy)?));
        if pieces {
            made.with_decoder(Some(words_and_bytes(self == Self::Llama && prefix_space.unwrap_or(true))));
        } else {
            made.with_decoder(Some(ByteLevel::default()));
        }
        Ok(made)
    }

    fn normalizer(self) -> tokenizers::Result<Option<NormalizerWrapper>> {
        Ok(match self {
            Self::Qwen2 | Self::GptNeox => Some(NFC.into()),
            Self::Gemma => Some(Replace::new(" ", "▁")?.into()),
            _ => None,
        })
    }

    fn pre_tokenizer(
        self,
        prefix_space: Option<bool>,
        legacy: bool,
    ) -> tokenizers::Result<PreTokenizerWrapper> {
        let split = |pattern: SplitPattern, behavior| Split::new(pattern, behavior, false);
        Ok(match self {
            Self::Llama => Metaspace::new('▁', scheme(prefix_space.unwrap_or(true), legacy), false).into(),
            Self::Gemma => {
                let blanks = SplitPattern::String(" ".into());
                split(blanks, SplitDelimiterBehavior::MergedWithPrevious)?.into()
            }
            Self::Qwen2 => {
                let words = split(SplitPattern::Regex(QWEN2.into()), SplitDelimiterBehavior::Isolated)?;
                let bytes = ByteLevel::new(prefix_space.unwrap_or(false), true, false);
                Steps::new(vec![words.into(), bytes.into()]).into()
            }
            _ => ByteLevel::new(prefix_space.unwrap_or(false), true, true).into(),
        })
    }
}

/// Classes had this ending where another class was the slow form of the same.
fn without_fast(name: &str) -> &str {
    name.strip_suffix("Fast").unwrap_or(name)
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
