//! The tokenizer of a checkpoint.

mod build;
mod class;
mod declared;
mod identity;
pub(crate) mod json_file;
mod sentencepiece;
#[cfg(test)]
mod several_files_tests;

use crate::pieces::{Ids, first_ids};
use crate::{Error, tokenizer_json};
use declared::Declared;
use std::path::Path;

/// A checkpoint's tokenizer.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    sha256: String,
    special: Vec<(String, String)>,
}

impl Tokenizer {
    /// Reads the tokenizer of a checkpoint's directory from all its files, as `transformers` does:
    /// `tokenizer.json`, or else `vocab.json` with `merges.txt` or SentencePiece's `tokenizer.model`, and
    /// what `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` say of added tokens.
    ///
    /// # Errors
    /// [`Error::TokenizerMissing`], [`Error::TokenizerUnreadable`], [`Error::TokenizerFile`],
    /// [`Error::TokenizerNotConverted`] and [`Error::Io`].
    pub fn from_directory(directory: &Path) -> Result<Self, Error> {
        let declared = Declared::read(directory)?;
        let (inner, class) = build::build(directory, &declared)?;
        let mut tokenizer = Self::from_inner(inner, directory)?;
        let name = |name: &str| Some((name.to_string(), declared.name(name, class)?));
        tokenizer.special = declared::NAMED.iter().filter_map(|named| name(named)).collect();
        Ok(tokenizer)
    }

    /// Reads a `tokenizer.json` alone.
    ///
    /// # Errors
    /// [`Error::TokenizerMissing`], [`Error::TokenizerUnreadable`] and [`Error::Io`].
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            return Err(Error::TokenizerMissing { path: path.into() });
        }
        let bytes = dress_core::files::read(path).map_err(|cause| Error::Io { path: path.into(), cause })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the content of a `tokenizer.json`; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::TokenizerUnreadable`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let inner = tokenizer_json::parse(bytes).map_err(unreadable(path))?;
        Self::from_inner(inner, path)
    }

    fn from_inner(mut inner: tokenizers::Tokenizer, path: &Path) -> Result<Self, Error> {
        // A text is never cut or filled up here, whatever the file was last used for.
        inner.with_padding(None).with_truncation(None).map_err(unreadable(path))?;
        let sha256 = identity::of(&inner);
        Ok(Self { inner, sha256, special: Vec::new() })
    }

    /// The ids of a text, with the special tokens that the tokenizer itself adds, or without.
    ///
    /// # Errors
    /// [`Error::Tokenize`].
    ///
    /// # Examples
    /// ```
    /// use dress_data::Tokenizer;
    ///
    /// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/llama3-kjv");
    /// let tokenizer = Tokenizer::from_directory(directory.as_ref())?;
    /// let ids = tokenizer.encode("In the beginning", false)?;
    /// assert_eq!(tokenizer.decode(&ids)?, "In the beginning");
    /// # Ok::<(), dress_data::Error>(())
    /// ```
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, Error> {
        let encoded = self.inner.encode(text, add_special_tokens);
        Ok(encoded.map_err(|error| Error::Tokenize { reason: error.to_string() })?.get_ids().to_vec())
    }

    /// As [`Tokenizer::encode`], with the byte of the text at which each token ends; special tokens end at 0.
    ///
    /// # Errors
    /// [`Error::Tokenize`].
    pub fn encode_with_ends(
        &self,
        text: &str,
        add_special_tokens: bool,
    ) -> Result<(Vec<u32>, Vec<usize>), Error> {
        let found = self.first_ids(text, add_special_tokens, usize::MAX)?;
        Ok((found.ids, found.ends))
    }

    /// The first `wanted` ids of a text or more, or all there are: the ids of the whole text, but tokenized
    /// in pieces and no further than that, with the byte of the text at which each token ends; special tokens
    /// end at 0.
    ///
    /// # Errors
    /// [`Error::Tokenize`].
    pub(crate) fn first_ids(
        &self,
        text: &str,
        add_special_tokens: bool,
        wanted: usize,
    ) -> Result<Ids, Error> {
        first_ids(&self.inner, text, add_special_tokens, wanted)
    }

    /// The text of some ids, without special tokens.
    ///
    /// # Errors
    /// [`Error::Tokenize`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        self.inner.decode(ids, true).map_err(|error| Error::Tokenize { reason: error.to_string() })
    }

    /// The text of some ids, special tokens included.
    ///
    /// # Errors
    /// [`Error::Tokenize`].
    pub fn decode_all(&self, ids: &[u32]) -> Result<String, Error> {
        self.inner.decode(ids, false).map_err(|error| Error::Tokenize { reason: error.to_string() })
    }

    /// The id of a token, such as `<|im_end|>`.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id, as it stands in `tokenizer.json`.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// How many tokens there are, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The same with names for some special tokens, each with its text, as a template may use them.
    pub fn with_special_tokens(self, special: Vec<(String, String)>) -> Self {
        Self { special, ..self }
    }

    /// The special tokens that have names, such as `bos_token`, as the checkpoint's files or the tokenizer's
    /// class say.
    pub fn special_tokens(&self) -> &[(String, String)] {
        &self.special
    }

    /// The text of a `tokenizer.json` that holds all of the tokenizer, from whatever files it was read.
    ///
    /// # Panics
    /// Never: every part of a tokenizer has a form as JSON.
    pub fn to_json(&self) -> String {
        self.inner.to_string(false).expect("a tokenizer is lists, texts and numbers")
    }

    /// SHA-256 of what decides the ids (vocabulary, merges, normalizer, pre-tokenizer, added tokens,
    /// post-processor), in hexadecimal: the same for two files that write one tokenizer down in different
    /// ways.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

fn unreadable(path: &Path) -> impl FnOnce(tokenizers::Error) -> Error {
    move |error| Error::TokenizerUnreadable { path: path.into(), reason: error.to_string() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tokenizer of the words `w0` to `w9`, that opens every text with `<s>`.
    pub fn words() -> Tokenizer {
        let vocab: Vec<String> = (0..10).map(|i| format!("\"w{i}\":{}", i + 2)).collect();
        let json = format!(
            r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[
              {{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}],
              "normalizer":null,"pre_tokenizer":{{"type":"WhitespaceSplit"}},
              "post_processor":{{"type":"TemplateProcessing","single":[{{"SpecialToken":{{"id":"<s>","type_id":0}}}},
              {{"Sequence":{{"id":"A","type_id":0}}}}],"pair":[],"special_tokens":{{"<s>":{{"id":"<s>","ids":[0],"tokens":["<s>"]}}}}}},
              "decoder":null,"model":{{"type":"WordLevel","vocab":{{"<s>":0,"<unk>":1,{}}},"unk_token":"<unk>"}}}}"#,
            vocab.join(",")
        );
        Tokenizer::from_bytes(json.as_bytes(), Path::new("words.json")).unwrap()
    }

    #[test]
    fn the_tokenizers_own_special_tokens_are_added_on_request() {
        assert_eq!(words().encode("w0 w9 x", true).unwrap(), [0, 2, 11, 1]);
        assert_eq!(words().encode("w0 w9 x", false).unwrap(), [2, 11, 1]);
    }

    #[test]
    fn missing_tokenizer_is_an_error() {
        let message = Tokenizer::from_directory(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(message.contains("/nowhere/tokenizer.json") && message.contains("copy"), "{message}");
    }

    #[test]
    fn a_file_that_is_no_tokenizer_is_an_error() {
        let error = Tokenizer::from_bytes(b"{}", Path::new("t.json")).unwrap_err().to_string();
        assert!(error.contains("t.json") && error.contains("not a tokenizer"), "{error}");
    }
}
