//! Which way what is sliced is made up for.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How the projection behind a sliced feed-forward or head axis makes up for what it no longer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compensation {
    /// Not at all.
    #[default]
    None,
    /// Its bias takes over the mean of what went (FLAP, arXiv 2312.11983). A LLaMA without biases gets them,
    /// as its `config.json` can say.
    Bias,
    /// Its weights, and its bias where it has one, are refitted to the calibration activations by ridge
    /// regression in closed form. Three tenths of each channel's own second moment are added to the diagonal,
    /// so that what channels only say together on the calibration text counts for less.
    Ridge,
}

impl Compensation {
    /// The names of all compensations, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["none", "bias", "ridge"];
}

impl fmt::Display for Compensation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compensation::None => "none",
            Compensation::Bias => "bias",
            Compensation::Ridge => "ridge",
        })
    }
}

impl FromStr for Compensation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "none" => Ok(Compensation::None),
            "bias" => Ok(Compensation::Bias),
            "ridge" => Ok(Compensation::Ridge),
            _ => Err(Error::CompensationName { name: text.into() }),
        }
    }
}
