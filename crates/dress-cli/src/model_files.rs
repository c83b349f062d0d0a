//! Where a model is, and its tokenizer.

use crate::Error;
use dress_core::{CausalLm, Fingerprint};
use dress_data::{ChatTemplate, RowText, Tokenizer};
use dress_eval::scoring::PrefixToken;
use dress_models::checkpoint::Weights;
use dress_models::hub::HubConfig;
use dress_models::{AnyModel, Checkpoint};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// The directory or GGUF file of a model given as a path or as an id on the Hugging Face hub.
///
/// # Errors
/// Those of [`HubConfig::locate`], and of a path that leads to no checkpoint.
pub fn locate(model: &Path) -> Result<PathBuf, Error> {
    let hub = HubConfig { progress: std::io::stderr().is_terminal(), ..HubConfig::from_env() };
    let found = Checkpoint::place_of(hub.locate(model)?);
    if !found.exists() {
        return Err(dress_models::Error::NoModel { path: found }.into());
    }
    dress_core::files::check(&found).map_err(|cause| Error::Io { path: found.clone(), cause })?;
    // Says early what is wrong with a directory that is no checkpoint.
    dress_models::checkpoint::read_config(&found)?;
    Ok(found)
}

/// What a model is called in tables: the last part of its path or id.
pub fn name_of(model: &Path) -> String {
    let own = std::path::absolute(model).ok();
    let own = own.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    own.unwrap_or_else(|| model.display().to_string())
}

/// How many positions the model has that `config.json` describes.
///
/// # Errors
/// Those of [`Checkpoint::at`].
pub fn max_positions(model: &Path) -> Result<usize, Error> {
    Ok(declared(model)?.max_positions())
}

/// The model that `config.json` describes, without its weights.
///
/// # Errors
/// Those of [`Checkpoint::at`].
pub fn declared(model: &Path) -> Result<AnyModel, Error> {
    Ok(Checkpoint::at(model)?.declared().clone())
}

/// The fingerprint of a model's files, whatever type it is loaded as.
///
/// # Errors
/// Those of [`Checkpoint::fingerprint`].
pub fn fingerprint(model: &Path) -> Result<Fingerprint, Error> {
    Ok(Checkpoint::at(model)?.fingerprint()?)
}

/// The bytes that most numbers of a model's files have.
///
/// # Errors
/// Those of [`Weights::open`].
pub(crate) fn stored_bytes(model: &Path) -> Result<usize, Error> {
    Ok(Weights::open(model)?.float_type().unwrap_or_default().size())
}

/// The tokenizer of a directory, or the one that a GGUF file's metadata makes.
///
/// # Errors
/// Those of [`Checkpoint::tokenizer`].
pub fn tokenizer(model: &Path) -> Result<Tokenizer, Error> {
    Ok(Checkpoint::at(model)?.tokenizer()?)
}

/// The chat template of a directory, or the one in a GGUF file's metadata.
///
/// # Errors
/// Those of [`Checkpoint::chat_template`].
pub fn chat_template(model: &Path, tokenizer: &Tokenizer) -> Result<ChatTemplate, Error> {
    Ok(Checkpoint::at(model)?.chat_template(tokenizer)?)
}

/// The token that begins a text, or else the one that ends it.
///
/// # Errors
/// Those of [`Checkpoint::at`] and of [`dress::prefix_token`].
pub fn prefix_token(model: &Path, tokenizer: &Tokenizer) -> Result<Option<PrefixToken>, Error> {
    Ok(dress::prefix_token(&Checkpoint::at(model)?, tokenizer)?)
}

/// How rows become texts: by a field, and conversations by the model's chat template.
pub(crate) fn row_text(model: &Path, tokenizer: &Tokenizer, field: Option<&str>) -> RowText {
    RowText::default().field(field).chat_of(model, tokenizer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_data::ChatMessage;

    /// The GGUF fixture with a chat template before its other keys, filled up with blanks so that its tensors
    /// stay aligned.
    fn gguf_with_template(directory: &Path, template: &str) -> PathBuf {
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../dress-models/tests/fixtures/llama2.gguf");
        let (file, key) = (std::fs::read(fixture).unwrap(), "tokenizer.chat_template");
        let fixed = 8 + key.len() + 4 + 8;
        let width = (fixed + template.len()).next_multiple_of(32) - fixed;
        let mut entry = (key.len() as u64).to_le_bytes().to_vec();
        entry.extend(key.as_bytes());
        entry.extend(8u32.to_le_bytes());
        entry.extend((width as u64).to_le_bytes());
        entry.extend(format!("{template:width$}").as_bytes());
        let entries = u64::from_le_bytes(file[16..24].try_into().unwrap()) + 1;
        let path = directory.join("model.gguf");
        std::fs::write(&path, [&file[..16], &entries.to_le_bytes(), &entry, &file[24..]].concat()).unwrap();
        path
    }

    #[test]
    fn a_gguf_file_s_own_chat_template_and_first_token_are_used() {
        let directory = tempfile::tempdir().unwrap();
        let path =
            gguf_with_template(directory.path(), "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
        let tokenizer = tokenizer(&path).unwrap();
        let message = ChatMessage { role: "user".into(), content: "ab".into() };
        let text = chat_template(&path, &tokenizer).unwrap().render(&[message], true).unwrap();
        assert_eq!(text.trim_end(), "<s>ab</s>");
        assert_eq!(prefix_token(&path, &tokenizer).unwrap().unwrap().text, "<s>");
    }

    #[test]
    fn a_gguf_file_without_a_chat_template_is_an_error_that_names_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dress-models/tests/fixtures/llama2.gguf");
        let message = chat_template(&path, &tokenizer(&path).unwrap()).unwrap_err().to_string();
        assert!(message.contains("llama2.gguf"), "{message}");
    }
}
