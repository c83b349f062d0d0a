//! What lies beside a result's configuration and weights.

use super::directory::{CHAT_TEMPLATES, COMPANIONS, MODEL_CARD, name_in_a_result, write};
use super::model_card::ModelCard;
use super::tokenizer_config;
use crate::Error;
use crate::gguf::GgufCheckpoint;
use std::fs;
use std::path::{Path, PathBuf};

/// What a result was made from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// A directory.
    Directory(&'a Path),
    /// A GGUF file.
    Gguf(&'a GgufCheckpoint),
}

/// All that is written beside configuration and weights.
pub(super) struct Companions<'a> {
    /// What the result was made from, where it was made from files.
    pub source: Option<Source<'a>>,
    /// Further files, by name.
    pub extra_files: &'a [(String, String)],
    /// What the model card says below its heading, where there is to be one.
    pub model_card: Option<&'a str>,
}

impl Companions<'_> {
    /// Writes them into `directory`, which has its `config.json` already and will be at `place`.
    ///
    /// # Errors
    /// [`Error::Io`], and those of a GGUF file's tokenizer.
    pub fn write(&self, directory: &Path, place: &Path) -> Result<(), Error> {
        match self.source {
            Some(Source::Gguf(file)) => {
                write(&directory.join("tokenizer.json"), &file.tokenizer_json()?)?;
                write(&directory.join("tokenizer_config.json"), &file.tokenizer_config_json()?)?;
            }
            Some(Source::Directory(source)) => {
                copy_tokenizer(source, directory)?;
                copy_documents(source, directory)?;
            }
            None => {}
        }
        if let Some(text) = tokenizer_config::missing_from(directory) {
            write(&directory.join("tokenizer_config.json"), &text)?;
        }
        for (name, text) in self.extra_files {
            write(&directory.join(name), text)?;
        }
        let Some(body) = self.model_card else { return Ok(()) };
        let card = ModelCard { place, source: self.source.map(Source::path), directory, body };
        write(&directory.join(MODEL_CARD), &card.text())
    }
}

impl<'a> Source<'a> {
    fn path(self) -> &'a Path {
        match self {
            Source::Directory(path) => path,
            Source::Gguf(file) => file.path(),
        }
    }
}

fn copy_tokenizer(source: &Path, to: &Path) -> Result<(), Error> {
    for name in COMPANIONS.iter().filter(|name| source.join(name).exists()) {
        copy(&source.join(name), &to.join(name))?;
    }
    copy_chat_templates(&source.join(CHAT_TEMPLATES), &to.join(CHAT_TEMPLATES))
}

fn copy_chat_templates(source: &Path, to: &Path) -> Result<(), Error> {
    let is_template = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jinja");
    for from in entries(source).filter(is_template) {
        fs::create_dir_all(to).map_err(Error::io(to, "cannot be written"))?;
        copy(&from, &to.join(from.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// Licences and the like, and the source's model card under another name.
fn copy_documents(source: &Path, to: &Path) -> Result<(), Error> {
    for from in entries(source).filter(|path| path.is_file()) {
        let name = from.file_name().and_then(|name| name_in_a_result(name.to_str()?));
        name.map_or(Ok(()), |name| copy(&from, &to.join(name)))?;
    }
    Ok(())
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    dress_core::files::check(from)
        .and_then(|()| fs::copy(from, to))
        .map(|_| ())
        .map_err(Error::io(from, "cannot be copied"))
}
