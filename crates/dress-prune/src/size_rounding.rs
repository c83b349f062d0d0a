//! What became of sizes that usual quantizers do not take.

use crate::QuantizationLoss;
use dress_core::{AxisKind, Ratio};
use dress_engines::EngineFormat;
use std::fmt;

/// What became of the sizes that were asked for where usual quantizers do not take them
/// ([`Sizes`](crate::Sizes)).
#[derive(Debug, Clone, PartialEq)]
pub enum SizeRounding {
    /// They became the nearest that the formats quantize.
    Rounded {
        /// The sizes that became others.
        sizes: Vec<RoundedSize>,
        /// The share of the model's parameters that this moves, every axis by itself.
        moved: f64,
        /// The formats.
        formats: Vec<EngineFormat>,
    },
    /// They stay, as the nearest that the formats quantize would move too much.
    TooFar {
        /// The sizes that would become others.
        sizes: Vec<RoundedSize>,
        /// The share of the model's parameters that this would move.
        moved: f64,
        /// The formats.
        formats: Vec<EngineFormat>,
        /// What these leave unquantized.
        loss: QuantizationLoss,
    },
    /// They stay, as none that the formats quantize is anywhere near.
    NoneNear {
        /// What was asked for, in words.
        asked: Vec<String>,
        /// What can be asked for in its place.
        possible: Vec<String>,
        /// The formats.
        formats: Vec<EngineFormat>,
        /// What these leave unquantized.
        loss: QuantizationLoss,
    },
}

/// A size that was asked for, and the nearest to it that formats quantize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundedSize {
    /// The kind of axis.
    pub kind: AxisKind,
    /// How many structures the longest axis of the kind has.
    pub len: usize,
    /// How many of them were to stay.
    pub asked: usize,
    /// The nearest to it.
    pub nearest: usize,
}

impl SizeRounding {
    /// Whether the sizes became others.
    pub fn is_rounded(&self) -> bool {
        matches!(self, Self::Rounded { .. })
    }
}

/// As `ffn 320 of 512 in place of 307`.
impl fmt::Display for RoundedSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, len, asked, nearest } = *self;
        f.write_str(&in_place_of(kind, [nearest, len], asked as f64))
    }
}

/// How many of an axis stay in the place of how many: the one wording of it, wherever a size is rounded.
pub(crate) fn in_place_of(kind: AxisKind, [kept, len]: [usize; 2], asked: f64) -> String {
    // A ratio need not come to a whole number.
    let digits = usize::from((asked - asked.round()).abs() > 0.05);
    format!("{kind} {kept} of {len} in place of {asked:.digits$}")
}

/// The same of a ratio, with whoever allows no nearer size.
pub(crate) fn nearest_to_ratio(kind: AxisKind, [kept, len]: [usize; 2], asked: Ratio, who: &str) -> String {
    let (size, goes) =
        (in_place_of(kind, [kept, len], (1.0 - asked.get()) * len as f64), 1.0 - kept as f64 / len as f64);
    format!("{size} stay, the nearest that {who}: {goes:.3} goes where {asked} was asked for")
}

impl fmt::Display for SizeRounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounded { sizes, moved, formats } => {
                let (sizes, formats) = (joined(sizes, ", "), joined(formats, " and "));
                write!(
                    f,
                    "{sizes} stay, the nearest that {formats} quantize, which moves {:.1}% of the parameters. `target = all` keeps to what was asked for",
                    100.0 * moved
                )
            }
            Self::TooFar { sizes, moved, formats, loss } => {
                let (sizes, remedy) = (joined(sizes, ", "), QuantizationLoss::remedy(formats));
                write!(
                    f,
                    "{loss}. {remedy}; the nearest is {sizes}, which moves {:.1}% of the parameters",
                    100.0 * moved
                )
            }
            Self::NoneNear { asked, possible, formats, loss } => {
                let (asked, remedy) = (asked.join(", "), QuantizationLoss::remedy(formats));
                write!(f, "{loss}. {remedy}; none is near {asked}")?;
                match possible.as_slice() {
                    [] => Ok(()),
                    possible => write!(f, ", and possible are {}", possible.join(", or ")),
                }
            }
        }
    }
}

fn joined(parts: &[impl ToString], between: &str) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}
