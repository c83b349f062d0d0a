//! The tokens at which a model ends a text.

use crate::Error;
use crate::checkpoint::read_config;
use serde_json::Value;
use std::path::Path;

/// Every `eos_token_id`, one or a list, of `generation_config.json` and of `config.json` or a GGUF file's
/// metadata.
///
/// # Errors
/// [`Error::ConfigUnreadable`], and those of [`read_config`].
///
/// # Examples
/// ```
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// assert!(!dress_models::end_tokens(directory.as_ref())?.is_empty());
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn end_tokens(model: &Path) -> Result<Vec<u32>, Error> {
    let (text, path) = read_config(model)?;
    let parse = |text: &str, path: &Path| -> Result<Value, Error> {
        serde_json::from_str(text).map_err(|cause| Error::ConfigUnreadable { path: path.into(), cause })
    };
    let mut ids = of(&parse(&text, &path)?);
    let path = model.join("generation_config.json");
    if path.is_file() {
        let text = dress_core::files::read_to_string(&path).map_err(Error::io(&path, "cannot be read"))?;
        ids.extend(of(&parse(&text, &path)?));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// An id that is none, such as the -1 that some files hold, ends nothing.
fn of(config: &Value) -> Vec<u32> {
    let id = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match &config["eos_token_id"] {
        Value::Array(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_lists_of_both_files_end_a_text() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("config.json", r#"{"eos_token_id": 2}"#);
        assert_eq!(end_tokens(directory.path()).unwrap(), [2]);
        write("generation_config.json", r#"{"eos_token_id": [7, 2, -1]}"#);
        assert_eq!(end_tokens(directory.path()).unwrap(), [2, 7]);
        write("config.json", r#"{"eos_token_id": null}"#);
        assert_eq!(end_tokens(directory.path()).unwrap(), [2, 7]);
        write("generation_config.json", "{");
        assert!(end_tokens(directory.path()).unwrap_err().to_string().contains("generation_config.json"));
    }
}
