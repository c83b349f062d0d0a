//! From a directory's files to one tokenizer, as `transformers` puts them together.

use super::class::{Class, OF_ONE_CLASS};
use super::declared::{Declared, NAMED};
use super::{identity, sentencepiece};
use crate::{Error, tokenizer_json};
use std::path::{Path, PathBuf};
use tokenizers::models::bpe::BPE;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, ModelWrapper, Tokenizer};

/// The tokenizer of a directory, and the class that read it.
///
/// # Errors
/// [`Error::TokenizerMissing`], [`Error::TokenizerUnreadable`], [`Error::TokenizerFile`],
/// [`Error::TokenizerNotConverted`] and [`Error::Io`].
pub(super) fn build(directory: &Path, declared: &Declared) -> Result<(Tokenizer, Class), Error> {
    let path = directory.join("tokenizer.json");
    let bytes = match dress_core::files::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
        Err(cause) => return Err(Error::Io { path, cause }),
    };
    let file = bytes.as_deref().map(tokenizer_json::parse).transpose().map_err(unreadable(&path))?;
    let class = Class::of(declared.class.as_deref(), declared.model_type.as_deref(), file.as_ref());
    let class = as_far_as_it_goes(class, file.as_ref(), declared, &path);
    let (mut tokenizer, marked) = match &file {
        Some(file) => (of_class(file, class, declared).map_err(unreadable(&path))?, Vec::new()),
        None => from_vocabulary(directory, class, declared)?,
    };
    if let Some(file) = file.as_ref().filter(|_| class != Class::File) {
        if !declared.lists_all {
            let added = bytes.as_deref().map(by_written_id).unwrap_or_default();
            add(&mut tokenizer, added).map_err(unreadable(&path))?;
        }
        say_what_the_class_changes(file, &tokenizer, class, declared, &path);
    }
    add_declared(&mut tokenizer, class, declared, &marked).map_err(unreadable(&path))?;
    if file.is_none() {
        open_and_close(&mut tokenizer, class, declared).map_err(unreadable(directory))?;
    }
    tokenizer.set_encode_special_tokens(declared.split_special_tokens);
    Ok((tokenizer, class))
}

/// The class, or the file itself where `transformers` cannot make the class of it or makes one that is not
/// made here.
fn as_far_as_it_goes(class: Class, file: Option<&Tokenizer>, declared: &Declared, path: &Path) -> Class {
    let Some(file) = file else { return class };
    let other = Class::not_made_here(declared.class.as_deref(), declared.model_type.as_deref());
    if let Some(other) = other.filter(|_| class == Class::File) {
        tracing::warn!(
            "{}: transformers 5 makes {other} anew from vocabulary and merges, and here the file is taken as it is: texts may \
             get other ids there; to have the file's, set tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json",
            path.display(),
        );
    }
    let unknown = declared.name("unk_token", class);
    if class.can_be_made_of(file, unknown.as_deref()) {
        return class;
    }
    tracing::warn!(
        "{}: transformers 5 opens no {} whose unknown token is not in the vocabulary, and here the file is taken as it is; set \
         tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json",
        path.display(),
        class.name(),
    );
    Class::File
}

/// What `tokenizer.json` says, as the class reads it.
fn of_class(file: &Tokenizer, class: Class, declared: &Declared) -> tokenizers::Result<Tokenizer> {
    match file.get_model() {
        ModelWrapper::BPE(bpe) if class != Class::File => {
            let mut made = around(class, bpe.clone(), declared)?;
            made.with_post_processor(
                file.get_post_processor().filter(|_| class.keeps_post_processor()).cloned(),
            );
            Ok(made)
        }
        _ => Ok(file.clone()),
    }
}

fn around(class: Class, bpe: BPE, declared: &Declared) -> tokenizers::Result<Tokenizer> {
    class.around(bpe, declared.prefix_space, declared.legacy, declared.name("unk_token", class))
}

/// `vocab.json` with `merges.txt`, or SentencePiece's `tokenizer.model`.
///
/// The latter marks some of its pieces as special.
fn from_vocabulary(
    directory: &Path,
    class: Class,
    declared: &Declared,
) -> Result<(Tokenizer, Vec<AddedToken>), Error> {
    let [vocab, merges, model] =
        ["vocab.json", "merges.txt", "tokenizer.model"].map(|name| directory.join(name));
    if vocab.exists() && class.reads_vocab_json() {
        if !merges.exists() {
            return Err(Error::TokenizerFile {
                path: merges,
                reason: "vocab.json needs its merges.txt".into(),
            });
        }
        let (vocab_name, merges_name) = (name_of(&vocab)?, name_of(&merges)?);
        let bpe = BPE::from_file(vocab_name, merges_name).build().map_err(unreadable(&vocab))?;
        return Ok((around(class, bpe, declared).map_err(unreadable(&vocab))?, Vec::new()));
    }
    if model.exists() && class == Class::Llama {
        let bytes =
            dress_core::files::read(&model).map_err(|cause| Error::Io { path: model.clone(), cause })?;
        if let Some(pieces) = sentencepiece::pieces(&bytes) {
            let bpe = sentencepiece::bpe(&pieces).map_err(unreadable(&model))?;
            let marked = pieces.iter().filter_map(sentencepiece::Piece::added).collect();
            return Ok((around(class, bpe, declared).map_err(unreadable(&model))?, marked));
        }
    }
    if let Some(file) = [model, vocab].into_iter().find(|file| file.exists()) {
        let class = declared.class.clone().unwrap_or_else(|| "none".into());
        return Err(Error::TokenizerNotConverted { file, directory: directory.into(), class });
    }
    Err(Error::TokenizerMissing { path: directory.join("tokenizer.json") })
}

fn name_of(path: &Path) -> Result<&str, Error> {
    let not_text = || Error::TokenizerFile { path: path.into(), reason: "the path is not UTF-8".into() };
    path.to_str().ok_or_else(not_text)
}

/// The added tokens of a `tokenizer.json` in the order of the ids that are written there, which need not be
/// those that the tokens get where the file is taken as it is.
fn by_written_id(bytes: &[u8]) -> Vec<AddedToken> {
    #[derive(serde::Deserialize)]
    struct File {
        added_tokens: Vec<Written>,
    }
    #[derive(serde::Deserialize)]
    struct Written {
        id: u64,
        #[serde(flatten)]
        token: AddedToken,
    }
    let Ok(mut file) = serde_json::from_slice::<File>(bytes) else { return Vec::new() };
    file.added_tokens.sort_by_key(|written| written.id);
    file.added_tokens.into_iter().map(|written| written.token).collect()
}

/// Adds the tokens of the files beside `tokenizer.json`: first by their ids, then the special ones that are
/// missing.
fn add_declared(
    tokenizer: &mut Tokenizer,
    class: Class,
    declared: &Declared,
    marked: &[AddedToken],
) -> tokenizers::Result<()> {
    for (id, token) in &declared.added {
        add(tokenizer, [token.clone()])?;
        let found = tokenizer.token_to_id(&token.content);
        if found.map(u64::from) != Some(*id) {
            let found = found.map_or("none".into(), |found| found.to_string());
            let token = &token.content;
            tracing::warn!(
                "the added token {token} has the id {found}, as stock gives it; the files say {id}"
            );
        }
    }
    // Names that every class has go first, whether the files or the class say their tokens; then a model's own names.
    let common = NAMED.iter().filter_map(|name| declared.special(name, class));
    let own = declared.named.iter().filter(|(name, _)| !NAMED.contains(&name.as_str()));
    let special = common.chain(own.map(|(_, token)| token.clone())).map(|token| token.special(true));
    for token in special.chain(declared.extra.iter().chain(marked).cloned()) {
        let known = tokenizer.get_added_vocabulary().get_vocab().contains_key(&token.content);
        if !known {
            add(tokenizer, [token])?;
        }
    }
    Ok(())
}

fn add(tokenizer: &mut Tokenizer, tokens: impl IntoIterator<Item = AddedToken>) -> tokenizers::Result<()> {
    tokenizer.add_tokens(tokens).map(|_| ())
}

/// `add_bos_token` and `add_eos_token`, which stock obeys where there is no `tokenizer.json`.
fn open_and_close(tokenizer: &mut Tokenizer, class: Class, declared: &Declared) -> tokenizers::Result<()> {
    let Some((bos, eos)) = declared.ends else { return Ok(()) };
    let token = |wanted: bool, name: &str| {
        let token = declared.name(name, class).filter(|_| wanted)?;
        Some((token.clone(), tokenizer.token_to_id(&token)?))
    };
    let (bos, eos) = (token(bos, "bos_token"), token(eos, "eos_token"));
    let text =
        |token: &Option<(String, u32)>| token.iter().map(|(token, _)| token.clone()).collect::<Vec<_>>();
    let single = [text(&bos), vec!["$A".into()], text(&eos)].concat();
    let special: Vec<_> = bos.into_iter().chain(eos).collect();
    if !special.is_empty() {
        let template = TemplateProcessing::builder()
            .try_single(single)?
            .special_tokens(special)
            .build()
            .map_err(|error| error.to_string())?;
        tokenizer.with_post_processor(Some(template));
    }
    Ok(())
}

/// Nobody expects that a class's name overrides what the file says.
fn say_what_the_class_changes(
    file: &Tokenizer,
    made: &Tokenizer,
    class: Class,
    declared: &Declared,
    path: &Path,
) {
    let [old, new] = [file, made].map(identity::beside_the_model);
    let names = ["normalizer", "pre-tokenizer", "post-processor"].into_iter();
    let others: Vec<_> = names.zip(old.iter().zip(&new)).filter(|(_, (old, new))| old != new).collect();
    if others.is_empty() {
        return;
    }
    let others: Vec<&str> = others.into_iter().map(|(name, _)| name).collect();
    let remedy = match declared.model_type.as_deref() {
        Some(OF_ONE_CLASS) => "it does so for this family whatever class tokenizer_config.json names",
        _ => "to have the file's, set tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json",
    };
    tracing::warn!(
        "{}: the {} of transformers 5 has its own {}, which is used here too, and not the file's; {remedy}",
        path.display(),
        class.name(),
        others.join(" and "),
    );
}

fn unreadable(path: &Path) -> impl Fn(tokenizers::Error) -> Error + use<> {
    let path: PathBuf = path.into();
    move |error| Error::TokenizerUnreadable { path: path.clone(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A directory of these files, with four tokens of a byte-level vocabulary in each that has one.
    fn directory(files: &[(&str, Value)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let text = content.as_str().map_or_else(|| content.to_string(), String::from);
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn vocab() -> Value {
        json!({ "a": 0, "b": 1, "ab": 2, "\u{2581}a": 3, "\u{2581}": 4 })
    }

    fn tokenizer_json(added: Value) -> (&'static str, Value) {
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        let model = json!({ "type": "BPE", "vocab": vocab(), "merges": [["a", "b"]] });
        let file = json!({ "version": "1.0", "added_tokens": added, "normalizer": null, "pre_tokenizer": bytes,
            "post_processor": null, "decoder": null, "model": model });
        ("tokenizer.json", file)
    }

    fn id(directory: &Path, token: &str) -> Option<u32> {
        build(directory, &Declared::read(directory).unwrap()).unwrap().0.token_to_id(token)
    }

    #[test]
    fn names_that_every_class_has_are_added_before_a_model_s_own() {
        let settings = json!({ "tokenizer_class": "GPT2Tokenizer", "pad_token": "[PAD]",
            "extra_special_tokens": { "image_token": "<image>" } });
        let files = directory(&[tokenizer_json(json!([])), ("tokenizer_config.json", settings)]);
        let ids = ["<|endoftext|>", "[PAD]", "<image>"].map(|token| id(files.path(), token));
        assert_eq!(ids, [Some(5), Some(6), Some(7)]);
    }

    #[test]
    fn added_tokens_come_in_the_order_of_their_written_ids() {
        let token = |id: u32, content: &str| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        };
        let added = json!([token(6, "<end>"), token(5, "<start>")]);
        let settings = json!({ "tokenizer_class": "GPT2Tokenizer" });
        let files = directory(&[tokenizer_json(added), ("tokenizer_config.json", settings)]);
        let ids = ["<start>", "<end>"].map(|token| id(files.path(), token));
        assert_eq!(ids, [Some(5), Some(6)]);
    }
}
