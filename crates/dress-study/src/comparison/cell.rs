//! One method at one size, and all of them together.

use crate::Error;
use crate::kept_cells::{Finished, Measured};
use dress_core::Fingerprint;
use dress_eval::report::Report;
use dress_prune::Preset;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The version of the files' format that this crate writes and reads.
pub const COMPARISON_SCHEMA: u32 = 2;

/// Which cell of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellId {
    /// The model as it is.
    Dense,
    /// A method at a ratio.
    Pruned {
        /// The method.
        preset: Preset,
        /// The share that goes.
        ratio: f64,
    },
}

/// A method at one size, with all that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// [`COMPARISON_SCHEMA`].
    pub schema: u32,
    /// SHA-256 of everything that the result depends on.
    pub key: String,
    /// The method; absent for the model as it is.
    pub preset: Option<Preset>,
    /// The share that was to go.
    pub ratio: f64,
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Every cell, as `compare.json` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: u32,
    /// The checkpoint as given.
    pub model: String,
    /// The checkpoint's fingerprint.
    pub fingerprint: Fingerprint,
    /// What ratios are of, as [`RatioOf::name`](super::RatioOf::name) has it.
    pub by: String,
    /// The cells, the model as it is first.
    pub cells: Vec<Cell>,
    /// The cells that failed.
    pub failed: Vec<String>,
}

impl Cell {
    /// Which cell this is.
    pub fn id(&self) -> CellId {
        match self.preset {
            Some(preset) => CellId::Pruned { preset, ratio: self.ratio },
            None => CellId::Dense,
        }
    }

    /// The method's name, or `dense`.
    pub fn name(&self) -> &'static str {
        self.preset.map_or("dense", Preset::name)
    }
}

impl Comparison {
    /// What a report shows: a model a cell, a curve a method.
    pub fn report(&self) -> Report {
        let model = |cell: &Cell| {
            let series = cell.preset.map(|preset| preset.to_string());
            cell.measured.report(cell.id().to_string(), series, &self.model)
        };
        Report::new(self.cells.iter().map(model).collect())
    }
}

impl Finished for Cell {
    const SCHEMA: u32 = COMPARISON_SCHEMA;

    fn schema(&self) -> u32 {
        self.schema
    }

    fn key(&self) -> &str {
        &self.key
    }
}

impl CellId {
    /// Whether measuring it trains.
    pub fn trains(self) -> bool {
        matches!(self, CellId::Pruned { preset, .. } if preset.trains())
    }

    /// What the cell's file is called.
    pub fn file(&self) -> String {
        self.to_string().replace('@', "-")
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CellId::Dense => f.write_str("dense"),
            CellId::Pruned { preset, ratio } => write!(f, "{preset}@{ratio}"),
        }
    }
}

impl FromStr for CellId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::CellName { name: text.into() };
        match text.split_once('@') {
            None if text == "dense" => Ok(CellId::Dense),
            None => Err(unknown()),
            Some((preset, ratio)) => {
                let ratio = ratio.parse().map_err(|_| unknown())?;
                Ok(CellId::Pruned { preset: preset.parse().map_err(|_| unknown())?, ratio })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cells_name_reads_back() {
        for name in ["dense", "flap@0.2", "slicegpt-global@0.125"] {
            assert_eq!(name.parse::<CellId>().unwrap().to_string(), name);
        }
        for bad in ["flap", "flap@", "nothing@0.2"] {
            assert!(bad.parse::<CellId>().unwrap_err().to_string().contains(bad));
        }
    }
}
