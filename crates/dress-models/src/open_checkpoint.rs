//! A checkpoint opened by where it is.

use crate::checkpoint::{declare, fingerprint, load_model};
use crate::{AnyModel, Error, Family, LoadConfig};
use dress_core::Fingerprint;
use dress_core::burn::tensor::Device;
use std::path::{Path, PathBuf};
#[cfg(feature = "tokenizer")]
use {
    crate::gguf::GgufCheckpoint,
    dress_data::{ChatTemplate, Tokenizer},
};

/// A checkpoint whose place and configuration are known: a directory or a GGUF file, its weights still on
/// disk.
///
/// ```
/// use dress_core::CausalLm;
/// use dress_models::Checkpoint;
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// let checkpoint = Checkpoint::open(directory)?;
/// assert_eq!(checkpoint.declared().architecture(), "OPTForCausalLM");
/// # Ok::<(), dress_models::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoint<F = AnyModel> {
    path: PathBuf,
    declared: F,
}

impl Checkpoint {
    /// Opens a directory or a GGUF file, or with the feature `hub` what `owner/name` or `owner/name@revision`
    /// is on the Hugging Face hub, by the settings in the environment.
    ///
    /// # Errors
    /// Those of [`Checkpoint::at`]; with the feature `hub`, those of
    /// [`HubConfig::locate`](crate::hub::HubConfig::locate) too.
    pub fn open(model: impl AsRef<Path>) -> Result<Self, Error> {
        #[cfg(feature = "hub")]
        let found = crate::hub::HubConfig::from_env().locate(model.as_ref())?;
        #[cfg(not(feature = "hub"))]
        let found = model.as_ref();
        Self::at(found)
    }

    /// Opens the directory or the GGUF file at `path`.
    ///
    /// # Errors
    /// Those of [`Checkpoint::at_as`].
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::at_as(path)
    }

    /// Where the checkpoint is that `path` leads to: `path`, or the directory of a `config.json` that is
    /// given in its place.
    ///
    /// ```
    /// use dress_models::Checkpoint;
    /// use std::path::Path;
    ///
    /// let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/opt-kjv");
    /// assert_eq!(Checkpoint::place_of(directory.join("config.json")), directory);
    /// ```
    pub fn place_of(path: PathBuf) -> PathBuf {
        let stands_for_its_directory =
            path.file_name().is_some_and(|name| name == "config.json") && path.is_file();
        if !stands_for_its_directory {
            return path;
        }
        path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")).into()
    }
}

impl<F: Family> Checkpoint<F> {
    /// Opens the directory or the GGUF file at `path` as a checkpoint of the family `F`. A `config.json`
    /// stands for its directory.
    ///
    /// # Errors
    /// [`Error::NoModel`] where there is nothing, and those of [`declare`].
    pub fn at_as(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = Checkpoint::place_of(path.into());
        if !path.exists() {
            return Err(Error::NoModel { path });
        }
        dress_core::files::check(&path).map_err(Error::io(&path, "cannot be read"))?;
        let declared = declare::<F>(&path, &Device::flex())?;
        Ok(Self { path, declared })
    }

    /// The directory or the GGUF file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The model that the configuration describes, without its weights.
    pub fn declared(&self) -> &F {
        &self.declared
    }

    /// The model with its weights.
    ///
    /// # Errors
    /// Those of [`load_model`].
    pub fn load(&self, config: &LoadConfig, device: &Device) -> Result<F, Error> {
        load_model(&self.path, config, device)
    }

    /// The fingerprint of the files' weights, which is the same whatever type they are loaded as.
    ///
    /// # Errors
    /// Those of [`fingerprint()`].
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        fingerprint(&self.declared, &self.path)
    }

    /// The tokenizer of the directory, or the one that the GGUF file's metadata makes.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], and those of [`GgufCheckpoint::tokenizer_json`].
    #[cfg(feature = "tokenizer")]
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        if self.path.is_dir() {
            return Ok(Tokenizer::from_directory(&self.path)?);
        }
        let file = GgufCheckpoint::open(&self.path)?;
        let tokenizer = Tokenizer::from_bytes(file.tokenizer_json()?.as_bytes(), &self.path)?;
        let config = tokenizer_config(&file)?;
        let texts = config.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_token"));
        let named = texts.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_string())));
        Ok(tokenizer.with_special_tokens(named.collect()))
    }

    /// The chat template of the directory, or the one in the GGUF file's metadata.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], and those of [`GgufCheckpoint::open`].
    #[cfg(feature = "tokenizer")]
    pub fn chat_template(&self, tokenizer: &Tokenizer) -> Result<ChatTemplate, Error> {
        if self.path.is_dir() {
            return Ok(ChatTemplate::from_directory(&self.path, tokenizer)?);
        }
        let config = tokenizer_config(&GgufCheckpoint::open(&self.path)?)?;
        let template = config["chat_template"].as_str();
        let missing = || dress_data::Error::NoChatTemplate { directory: self.path.clone() };
        let template = template.ok_or_else(missing)?;
        Ok(ChatTemplate::parse(template.into(), tokenizer.special_tokens().to_vec())?)
    }

    /// The text of the chat template that [`Checkpoint::chat_template`] reads, where there is one.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], and those of [`GgufCheckpoint::open`].
    #[cfg(feature = "tokenizer")]
    pub(crate) fn chat_template_text(&self) -> Result<Option<String>, Error> {
        use dress_data::Error::{NoChatTemplate, NoDefaultChatTemplate};
        if self.path.is_dir() {
            return match ChatTemplate::text_in(&self.path) {
                Ok(text) => Ok(Some(text)),
                Err(NoChatTemplate { .. } | NoDefaultChatTemplate { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        let config = tokenizer_config(&GgufCheckpoint::open(&self.path)?)?;
        Ok(config["chat_template"].as_str().map(String::from))
    }
}

/// What a GGUF file says of its tokenizer beside the tokens.
#[cfg(feature = "tokenizer")]
fn tokenizer_config(file: &GgufCheckpoint) -> Result<serde_json::Value, Error> {
    let unreadable = |cause| Error::ConfigUnreadable { path: file.path().into(), cause };
    serde_json::from_str(&file.tokenizer_config_json()?).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_json_stands_for_its_directory() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv");
        for path in [model.join("config.json"), model.clone()] {
            assert_eq!(Checkpoint::open(path).unwrap().path(), model);
        }
        let nowhere = PathBuf::from("nowhere/config.json");
        assert_eq!(Checkpoint::place_of(nowhere.clone()), nowhere);
    }

    #[test]
    fn what_is_not_there_and_what_is_no_checkpoint_are_said_at_once() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(Checkpoint::open(place.path().join("none")), Err(Error::NoModel { .. })));
        assert!(matches!(Checkpoint::open(place.path()), Err(Error::ConfigMissing { .. })));
    }
}
