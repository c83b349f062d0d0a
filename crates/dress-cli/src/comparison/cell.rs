//! One method at one size, and all of them together.

use crate::Error;
use dress_core::{AxisKind, CorpusProvenance, Fingerprint, Selection};
use dress_eval::PerplexityReport;
use dress_prune::Preset;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The version of the files' format that this crate writes and reads.
pub const COMPARISON_SCHEMA: u32 = 1;

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
    /// Parameters, a tied head counted once.
    pub parameters: u64,
    /// Those of the model as it is.
    pub parameters_dense: u64,
    /// What is left of each kind of axis that lost something.
    pub kept: Vec<KeptOfKind>,
    /// By what was selected.
    pub criterion: String,
    /// The text that was scored on and, where the method trains, trained on.
    pub calibration: Option<CorpusProvenance>,
    /// Tokens that went through training.
    pub training_tokens: u64,
    /// How far slicing moved the logits, see [`dress_prune::PruneReport::slicing_error`].
    pub slicing_error: Option<f64>,
    /// Perplexity on a text like the calibration's.
    pub seen: PerplexityReport,
    /// Perplexity on another text.
    pub unseen: PerplexityReport,
    /// Seconds of scoring, training and slicing.
    pub seconds: f64,
    /// The most bytes that the cell's process had in memory until the smaller model was there, loading included;
    /// absent where the system does not say.
    pub peak_bytes: Option<u64>,
    /// The same, evaluation included.
    pub peak_bytes_with_evaluation: Option<u64>,
    /// The version of this crate.
    pub dress_version: String,
    /// The device.
    pub device: String,
    /// The type of the weights.
    pub dtype: String,
}

/// What is left of the axes of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOfKind {
    /// The kind.
    pub kind: AxisKind,
    /// Structures before, of all its axes that the model has.
    pub before: usize,
    /// Structures that stay, of the same.
    pub after: usize,
    /// The fewest and the most that stay of an axis that lost some.
    pub range: [usize; 2],
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
    /// What ratios are of: `params` or `width`.
    pub by: String,
    /// The cells, the model as it is first.
    pub cells: Vec<Cell>,
    /// The cells that failed.
    pub failed: Vec<String>,
}

impl KeptOfKind {
    /// What `selection` leaves, of a model that has as many axes of each kind as `axes` says.
    pub fn of(selection: &Selection, axes: &BTreeMap<AxisKind, usize>) -> Vec<Self> {
        let mut kinds: BTreeMap<AxisKind, (usize, Self)> = BTreeMap::new();
        for (axis, chosen) in selection.iter() {
            let (kind, kept) = (axis.kind(), chosen.kept_len());
            let (touched, of) =
                kinds.entry(kind).or_insert((0, Self { kind, before: 0, after: 0, range: [kept, kept] }));
            *touched += 1;
            of.before += chosen.len();
            of.after += kept;
            of.range = [of.range[0].min(kept), of.range[1].max(kept)];
        }
        let whole = |(kind, (touched, mut of)): (AxisKind, (usize, Self))| {
            // Axes that lost nothing are as long as the others were.
            let untouched = axes.get(&kind).map_or(0, |all| all.saturating_sub(touched));
            let each = of.before / touched;
            of.before += untouched * each;
            of.after += untouched * each;
            if untouched > 0 {
                of.range[1] = of.range[1].max(each);
            }
            of
        };
        kinds.into_iter().map(whole).collect()
    }
}

impl fmt::Display for KeptOfKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.after as f64 / self.before as f64;
        match self.range {
            [least, most] if least == most => write!(f, "{} {least} ({share:.0}%)", self.kind),
            [least, most] => write!(f, "{} {least} to {most} ({share:.0}%)", self.kind),
        }
    }
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
    use dress_core::{Axis, AxisSelection};

    #[test]
    fn a_cells_name_reads_back() {
        for name in ["dense", "flap@0.2", "slicegpt-global@0.125"] {
            assert_eq!(name.parse::<CellId>().unwrap().to_string(), name);
        }
        for bad in ["flap", "flap@", "nothing@0.2"] {
            assert!(bad.parse::<CellId>().unwrap_err().to_string().contains(bad));
        }
    }

    #[test]
    fn blocks_that_lose_nothing_are_counted_whole() {
        let lost = |removed: usize| AxisSelection::new(10, (0..removed).collect()).unwrap();
        let selection = Selection::new()
            .with(Axis::Ffn { layer: 0 }, lost(4))
            .with(Axis::Ffn { layer: 1 }, lost(2))
            .with(Axis::Residual, lost(5));
        let axes = BTreeMap::from([(AxisKind::Ffn, 3), (AxisKind::Residual, 1)]);
        let kept = KeptOfKind::of(&selection, &axes);
        let texts: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["residual 5 (50%)", "ffn 6 to 10 (80%)"]);
    }
}
