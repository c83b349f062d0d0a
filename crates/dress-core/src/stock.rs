//! Which other software has to load a pruned checkpoint.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Whose rules the shape of a result has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StockTarget {
    /// Every loader: `transformers`, vLLM and llama.cpp's converter.
    #[default]
    Any,
    /// Stock `transformers`, which reads a `head_dim` where others divide the width by the heads.
    Transformers,
    /// These crates alone, which take any shape that the parameters can have.
    Dress,
}

/// What the kept count of an axis has to be a multiple of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultipleOf {
    /// For [`StockTarget::Any`].
    pub any: usize,
    /// For [`StockTarget::Transformers`].
    pub transformers: usize,
}

impl MultipleOf {
    /// Any count will do.
    pub const ONE: Self = Self { any: 1, transformers: 1 };

    /// The same for every loader.
    pub fn all(multiple: usize) -> Self {
        Self { any: multiple, transformers: multiple }
    }

    /// The multiple that `target` wants, at least 1.
    pub fn of(self, target: StockTarget) -> usize {
        match target {
            StockTarget::Any => self.any.max(1),
            StockTarget::Transformers => self.transformers.max(1),
            StockTarget::Dress => 1,
        }
    }
}

impl StockTarget {
    /// The names of all targets, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["any", "transformers", "dress"];
}

impl fmt::Display for StockTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StockTarget::Any => "any",
            StockTarget::Transformers => "transformers",
            StockTarget::Dress => "dress",
        })
    }
}

impl FromStr for StockTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "any" => Ok(StockTarget::Any),
            "transformers" => Ok(StockTarget::Transformers),
            "dress" => Ok(StockTarget::Dress),
            _ => Err(Error::StockTargetName { name: text.into() }),
        }
    }
}
