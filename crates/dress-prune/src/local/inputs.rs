//! What a layer reads that is regularized alone.

use crate::{Error, LocalError};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a layer reads that is regularized alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalInputs {
    /// The dense model's stream, so that no layer depends on another.
    Dense,
    /// The stream of the layers before it as they have become, so that a layer knows what it will read.
    #[default]
    Pruned,
}

impl LocalInputs {
    /// The names of all inputs, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 2] = ["dense", "pruned"];
}

impl fmt::Display for LocalInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LocalInputs::Dense => "dense",
            LocalInputs::Pruned => "pruned",
        })
    }
}

impl FromStr for LocalInputs {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "dense" => Ok(LocalInputs::Dense),
            "pruned" => Ok(LocalInputs::Pruned),
            _ => Err(LocalError::InputsName { name: text.into() }.into()),
        }
    }
}
