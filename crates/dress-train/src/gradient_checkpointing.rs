//! What a backward pass computes again.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is computed again in the backward pass instead of being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GradientCheckpointing {
    /// Nothing.
    #[default]
    None,
    /// Cheap operations, as Burn does it.
    Operations,
    /// Every block from the stream before it (Chen et al. 2016, arXiv 1604.06174): the activations of one block are in
    /// memory at a time, for one more forward pass.
    Blocks,
}

impl GradientCheckpointing {
    /// The names of all kinds, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["none", "operations", "blocks"];
}

impl fmt::Display for GradientCheckpointing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GradientCheckpointing::None => "none",
            GradientCheckpointing::Operations => "operations",
            GradientCheckpointing::Blocks => "blocks",
        })
    }
}

impl FromStr for GradientCheckpointing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all =
            [GradientCheckpointing::None, GradientCheckpointing::Operations, GradientCheckpointing::Blocks];
        let found = all.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or_else(|| Error::Name {
            what: "gradient checkpointing",
            name: text.into(),
            known: "none, operations or blocks",
        })
    }
}
