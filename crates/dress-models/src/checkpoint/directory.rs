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
pub(super) const CHAT_TEMPLATES: &str = "additional_chat_templates";

/// How the names of what a publisher has to hand on begin: licences, notices and rules of use.
const HANDED_ON: [&str; 4] = ["LICENSE", "LICENCE", "NOTICE", "USE_POLICY"];

/// The model card.
pub(super) const MODEL_CARD: &str = "README.md";

/// Whether a file of this name is one that a checkpoint's directory holds.
pub(super) fn is_part_of_a_checkpoint(name: &str) -> bool {
    let written = [
        "config.json",
        "plan.json",
        "dress.json",
        "recover.json",
        "search.json",
        "model.safetensors.index.json",
    ];
    let weights = name.starts_with("model") && name.ends_with(".safetensors");
    weights
        || name == CHAT_TEMPLATES
        || written.contains(&name)
        || COMPANIONS.contains(&name)
        || is_document(name)
}

/// Whether a file of this name is about a checkpoint, as it may be about anything else.
pub(crate) fn is_document(name: &str) -> bool {
    name_in_a_result(name).is_some()
}

/// The name that a source's document has beside its result. What was a model card gets one `.source` more for
/// each step away from its model.
pub(super) fn name_in_a_result(name: &str) -> Option<String> {
    let begins = |with: &&str| name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if HANDED_ON.iter().any(begins) {
        return Some(name.into());
    }
    let between = name.strip_prefix("README")?.strip_suffix(".md")?;
    let is_card = between.split(".source").all(str::is_empty);
    is_card.then(|| format!("README{between}.source.md"))
}

pub(super) fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(path, "cannot be written"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_names_and_model_cards_say_how_far_back_they_are() {
        let same = ["LICENSE", "LICENSE.txt", "license.md", "LICENCE", "Notice", "USE_POLICY.md"];
        same.iter().for_each(|name| assert_eq!(name_in_a_result(name).as_deref(), Some(*name)));
        for (name, expected) in [
            ("README.md", Some("README.source.md")),
            ("README.source.md", Some("README.source.source.md")),
            ("README.de.md", None),
            ("README.txt", None),
            ("notes.txt", None),
            ("LIC", None),
        ] {
            assert_eq!(name_in_a_result(name).as_deref(), expected, "{name}");
        }
    }
}
