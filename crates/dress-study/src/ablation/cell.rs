//! One row's settings with one seed.

use crate::kept_cells::{Finished, Measured};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the files' format that this crate writes and reads.
pub const ABLATION_SCHEMA: u32 = 2;

/// Every setting of a run that has a value, defaults included, by its name.
pub type Resolved = BTreeMap<String, String>;

/// A run with all that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationCell {
    /// [`ABLATION_SCHEMA`].
    pub schema: u32,
    /// SHA-256 of everything that the result depends on.
    pub key: String,
    /// The settings; absent for the model as it is.
    pub settings: Option<Resolved>,
    /// The seed; absent for the model as it is.
    pub seed: Option<u64>,
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
}

impl Finished for AblationCell {
    const SCHEMA: u32 = ABLATION_SCHEMA;

    fn schema(&self) -> u32 {
        self.schema
    }

    fn key(&self) -> &str {
        &self.key
    }
}
