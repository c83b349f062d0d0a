//! What a cell's result depends on.

use dress_core::{Draw, Fingerprint};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Everything that a cell's result depends on. Two cells with one key are one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellKey<S> {
    /// The format of the cell's file.
    pub schema: u32,
    /// The version of this crate.
    pub dress_version: &'static str,
    /// The checkpoint.
    pub fingerprint: Fingerprint,
    /// The text of its `config.json`.
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

impl<S: Serialize> CellKey<S> {
    /// SHA-256 of all of it, in hexadecimal.
    pub fn hash(&self) -> String {
        let text = serde_json::to_vec(self).expect("a key is numbers and texts");
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
