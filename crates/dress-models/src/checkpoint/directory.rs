//! What a checkpoint's directory holds beside the tensors.

use crate::Error;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a model's directory holds besides configuration and weights; copied as it is.
pub(crate) const COMPANIONS: &[&str] = &[
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
];

/// The directory of a tokenizer's further chat templates.
const CHAT_TEMPLATES: &str = "additional_chat_templates";

/// Whether a file of this name is one that a checkpoint's directory holds.
pub(super) fn is_part_of_a_checkpoint(name: &str) -> bool {
    let written = ["config.json", "plan.json", "dress.json", "recover.json", "model.safetensors.index.json"];
    let weights = name.starts_with("model") && name.ends_with(".safetensors");
    weights || name == CHAT_TEMPLATES || written.contains(&name) || COMPANIONS.contains(&name)
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(path, "cannot be written"))
}

pub(super) fn copy_companions(source: &Path, to: &Path) -> Result<(), Error> {
    for name in COMPANIONS {
        let from = source.join(name);
        if from.exists() {
            dress_core::files::check(&from).map_err(Error::io(&from, "cannot be copied"))?;
            fs::copy(&from, to.join(name)).map_err(Error::io(&from, "cannot be copied"))?;
        }
    }
    copy_chat_templates(&source.join(CHAT_TEMPLATES), &to.join(CHAT_TEMPLATES))
}

fn copy_chat_templates(source: &Path, to: &Path) -> Result<(), Error> {
    let templates = fs::read_dir(source).into_iter().flatten().flatten().map(|file| file.path());
    for from in templates.filter(|path| path.extension().is_some_and(|extension| extension == "jinja")) {
        fs::create_dir_all(to).map_err(Error::io(to, "cannot be written"))?;
        let to = to.join(from.file_name().unwrap_or_default());
        fs::copy(&from, to).map_err(Error::io(&from, "cannot be copied"))?;
    }
    Ok(())
}

/// The name of one of `count` safetensors files.
pub(super) fn shard_name(number: usize, count: usize) -> String {
    match count {
        1 => "model.safetensors".into(),
        _ => format!("model-{:05}-of-{count:05}.safetensors", number + 1),
    }
}

/// Writes which of several files holds which tensor.
pub(super) fn write_index(
    directory: &Path,
    total_size: u64,
    files: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let index = json!({ "metadata": { "total_size": total_size }, "weight_map": files });
    write(&directory.join("model.safetensors.index.json"), &format!("{index:#}"))
}
