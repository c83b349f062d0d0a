//! Which other software has to load a pruned checkpoint.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Whose rules the shape of a result has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StockTarget {
    /// All loaders: `transformers`, vLLM and llama.cpp's converter. The strictest target.
    // Files say `any`, the name it had first, so that what was kept under it is found; both are read.
    #[default]
    #[serde(rename = "any", alias = "all")]
    All,
    /// Stock `transformers`, which reads a `head_dim` where others divide the width by the heads.
    Transformers,
    /// These crates alone, which take any shape that the parameters can have.
    Dress,
}

/// What the kept count of an axis has to be a multiple of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultipleOf {
    /// For [`StockTarget::All`].
    #[serde(rename = "any", alias = "all")]
    pub all: usize,
    /// For [`StockTarget::Transformers`].
    pub transformers: usize,
}

impl MultipleOf {
    /// Any count will do.
    pub const ONE: Self = Self { all: 1, transformers: 1 };

    /// The same for every loader.
    pub fn all(multiple: usize) -> Self {
        Self { all: multiple, transformers: multiple }
    }

    /// The multiple that `target` wants, at least 1.
    pub fn of(self, target: StockTarget) -> usize {
        match target {
            StockTarget::All => self.all.max(1),
            StockTarget::Transformers => self.transformers.max(1),
            StockTarget::Dress => 1,
        }
    }
}

impl StockTarget {
    /// The names of all targets, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["all", "transformers", "dress"];
}

impl fmt::Display for StockTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StockTarget::All => "all",
            StockTarget::Transformers => "transformers",
            StockTarget::Dress => "dress",
        })
    }
}

impl FromStr for StockTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            // `any` is the name that it had first.
            "all" | "any" => Ok(StockTarget::All),
            "transformers" => Ok(StockTarget::Transformers),
            "dress" => Ok(StockTarget::Dress),
            _ => Err(Error::StockTargetName { name: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_target_is_called_all_and_read_under_its_first_name() {
        assert_eq!(StockTarget::All.to_string(), "all");
        assert_eq!(["all", "any"].map(|name| name.parse().ok()), [Some(StockTarget::All); 2]);
        let read = |text: &str| serde_json::from_str::<StockTarget>(text).unwrap();
        assert_eq!([r#""all""#, r#""any""#].map(read), [StockTarget::All; 2]);
    }

    #[test]
    fn files_keep_the_name_under_which_results_were_kept() {
        assert_eq!(serde_json::to_string(&StockTarget::All).unwrap(), r#""any""#);
        let multiple = serde_json::to_string(&MultipleOf::all(8)).unwrap();
        assert_eq!(multiple, r#"{"any":8,"transformers":8}"#);
    }
}
