//! Where a model is, and its tokenizer.

use crate::Error;
use dress_data::Tokenizer;
use dress_models::gguf::GgufCheckpoint;
use dress_models::hub::HubConfig;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// The directory or GGUF file of a model given as a path or as an id on the Hugging Face hub.
///
/// # Errors
/// Those of [`HubConfig::locate`].
pub fn locate(model: &Path) -> Result<PathBuf, Error> {
    let hub = HubConfig { progress: std::io::stderr().is_terminal(), ..HubConfig::from_env() };
    Ok(hub.locate(model)?)
}

/// The tokenizer of a directory, or the one that a GGUF file's metadata makes.
///
/// # Errors
/// Those of [`Tokenizer::from_directory`] and [`GgufCheckpoint::tokenizer_json`].
pub fn tokenizer(model: &Path) -> Result<Tokenizer, Error> {
    if model.is_dir() || !model.exists() {
        return Ok(Tokenizer::from_directory(model)?);
    }
    let json = GgufCheckpoint::open(model)?.tokenizer_json()?;
    Ok(Tokenizer::from_bytes(json.as_bytes(), model)?)
}
