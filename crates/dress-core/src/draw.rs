//! How calibration blocks are drawn from a text.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How calibration blocks are drawn from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Draw {
    /// Each block starts at a row drawn at random; empty rows are dropped. What SliceGPT, SparseGPT and Wanda
    /// do.
    #[default]
    Rows,
    /// Blocks of the text as it stands that do not overlap, in random order; where more are wanted than there
    /// are, once more from another offset.
    Blocks,
}

impl Draw {
    /// The names of all draws, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 2] = ["rows", "blocks"];
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Draw::Rows => "rows",
            Draw::Blocks => "blocks",
        })
    }
}

impl FromStr for Draw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "rows" => Ok(Draw::Rows),
            "blocks" => Ok(Draw::Blocks),
            _ => Err(Error::DrawName { name: text.into() }),
        }
    }
}
