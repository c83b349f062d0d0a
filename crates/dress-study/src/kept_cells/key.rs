//! What a cell's result depends on.

use dress_core::{Draw, Fingerprint};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Everything that a cell's result depends on. Two cells with one key are one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellKey<S> {
    /// The format of the cell's file.
    pub schema: u32,
    /// The version of this crate.
    pub dress_version: &'static str,
    /// The checkpoint.
    pub fingerprint: Fingerprint,
    /// What its `config.json` says of the model, as [`config_by_meaning`] gives it.
    pub config: String,
    /// How it is pruned; absent for the model as it is.
    // The name that it had when there were presets alone, so that cells kept then are found.
    #[serde(rename = "preset")]
    pub settings: Option<S>,
    /// What it is calibrated on, where it is.
    pub calibration: Option<DataKey>,
    /// The text like it.
    pub seen: DataKey,
    /// The other text.
    pub unseen: Option<DataKey>,
    /// The device.
    pub device: String,
    /// The type of the weights.
    pub dtype: String,
}

/// A text and how it is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataKey {
    /// SHA-256 of the file.
    pub sha256: String,
    /// The field of each row that is its text, where one is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_field: Option<String>,
    /// SHA-256 of the chat template, where one makes texts of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template_sha256: Option<String>,
    /// SHA-256 of the tokenizer.
    pub tokenizer_sha256: String,
    /// Tokens a block.
    pub seqlen: usize,
    /// How many blocks, if not all.
    pub blocks: Option<usize>,
    /// The seed, where they are drawn.
    pub seed: Option<u64>,
    /// How they are drawn, where they are.
    pub draw: Option<Draw>,
    /// What stands between two rows.
    pub join: String,
}

/// Keys that say who wrote a configuration and how the files are kept, not what the model computes.
const ABOUT_THE_FILES: [&str; 8] = [
    "transformers_version",
    "_name_or_path",
    "_commit_hash",
    "torch_dtype",
    "dtype",
    "architectures",
    "use_cache",
    "auto_map",
];

/// A configuration without the order of its keys, its blanks and what does not change the model, so that
/// saving it anew leaves it as it is.
pub fn config_by_meaning(json: &str) -> String {
    let read: Result<BTreeMap<String, Value>, _> = serde_json::from_str(json);
    let Ok(mut config) = read else { return json.into() };
    config.retain(|key, _| !ABOUT_THE_FILES.contains(&key.as_str()));
    config.values_mut().for_each(Value::sort_all_objects);
    serde_json::to_string(&config).unwrap_or_else(|_| json.into())
}

impl<S: Serialize> CellKey<S> {
    /// SHA-256 of all of it, in hexadecimal.
    pub fn hash(&self) -> String {
        let text = serde_json::to_vec(self).expect("a key is numbers and texts");
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_is_saved_anew_is_the_same_and_another_model_is_not() {
        let first = r#"{"hidden_size":8,"torch_dtype":"float16","rope_parameters":{"rope_type":"default","rope_theta":1.0}}"#;
        let anew = "{\n \"dtype\": \"float16\", \"transformers_version\": \"5.24.0\",\n \"rope_parameters\": {\"rope_theta\": 1.0, \"rope_type\": \"default\"},\n \"hidden_size\": 8}";
        assert_eq!(config_by_meaning(first), config_by_meaning(anew));
        assert_ne!(config_by_meaning(first), config_by_meaning(&first.replace("1.0", "2.0")));
        assert_ne!(config_by_meaning(first), config_by_meaning(&first.replace(":8", ":16")));
        assert_eq!(config_by_meaning("no JSON"), "no JSON");
    }
}
