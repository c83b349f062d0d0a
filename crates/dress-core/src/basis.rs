//! The coordinates of the residual stream.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The coordinates in which the residual width is sliced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Those of the checkpoint.
    #[default]
    Identity,
    /// The principal components of what the layers read, one rotation for the whole model, as in SliceGPT
    /// (arXiv 2401.15024) but without its adapters.
    Pca,
    /// Principal components of most channels, with a head that is the embedding left tied. The logits move a
    /// little; a model with a head of its own is rotated as in [`Basis::Pca`].
    PcaTied,
}

impl Basis {
    /// The names of all bases, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["identity", "pca", "pca-tied"];
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Basis::Identity => "identity",
            Basis::Pca => "pca",
            Basis::PcaTied => "pca-tied",
        })
    }
}

impl FromStr for Basis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "identity" => Ok(Basis::Identity),
            "pca" => Ok(Basis::Pca),
            "pca-tied" => Ok(Basis::PcaTied),
            _ => Err(Error::BasisName { name: text.into() }),
        }
    }
}
