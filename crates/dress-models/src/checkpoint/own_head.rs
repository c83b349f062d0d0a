//! A configuration that ties the head to the embedding, and files that hold a head of their own.

use super::Weights;
use super::said_once::warn_once;
use super::same_tensor::are_same;
use crate::{DeclaredHead, Error, Family, TensorNames};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The text of a `config.json` as the weights beside it have it: a head that the text ties to the embedding,
/// and that the files hold with other numbers, is not tied. A merged adapter or a head that was trained
/// leaves such files.
///
/// # Errors
/// Those of reading the two tensors, and [`Error::ConfigUnsupported`] where the text names its own weights
/// file.
pub(super) fn with_its_head<F: Family>(text: String, directory: &Path, path: &Path) -> Result<String, Error> {
    // What is not JSON is said by the family that reads it.
    let Ok(mut config) = serde_json::from_str::<Map<String, Value>>(&text) else { return Ok(text) };
    check_no_named_file(&config, path)?;
    let declared = F::declared_head(&config);
    if declared == DeclaredHead::Own {
        return Ok(text);
    }
    // Weights that cannot be opened are said by whoever needs them.
    let Ok(files) = Weights::open(directory) else { return Ok(text) };
    if !has_its_own(&files, F::NAMES, declared)? {
        return Ok(text);
    }
    config.insert(DeclaredHead::KEY.into(), json!(false));
    Ok(serde_json::to_string_pretty(&config).unwrap_or(text))
}

/// `transformers` reads the file that this key names and no other; the key would go on to the result, which
/// has no such file.
fn check_no_named_file(config: &Map<String, Value>, path: &Path) -> Result<(), Error> {
    let key = "transformers_weights";
    let Some(named) = config.get(key).and_then(Value::as_str) else { return Ok(()) };
    let reason = format!(
        "names {named} as the only weights file, which is not built; rename that file to model.safetensors, or to \
         model.safetensors.index.json where it is an index, and remove the key"
    );
    Err(Error::ConfigUnsupported { path: path.into(), key, reason })
}

/// Whether the files hold a head that is not the embedding, or any, where the family has none that is the
/// embedding.
fn has_its_own(files: &Weights, family: TensorNames, declared: DeclaredHead) -> Result<bool, Error> {
    let names = files.names();
    let find = |is: &dyn Fn(&str) -> bool| names.iter().copied().find(|name| is(name));
    let (head, embedding) = (find(&|name| family.is_head(name)), find(&|name| family.is_embedding(name)));
    let (Some(head), Some(embedding)) = (head, embedding) else { return Ok(false) };
    if are_same(files, head, embedding)? {
        return Ok(declared == DeclaredHead::TiedUnlessFiled);
    }
    warn_once(format!(
        "{}: config.json ties the head to the embedding, but the files hold a {head} that differs from {embedding}; both \
         are read, as transformers does, and results are written with `{}` false",
        files.path().display(),
        DeclaredHead::KEY
    ));
    Ok(true)
}
