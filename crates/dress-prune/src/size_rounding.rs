//! What became of sizes that usual quantizers do not take.

use crate::QuantizationLoss;
use dress_core::AxisKind;
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
        let Self { kind, len, asked, nearest } = self;
        write!(f, "{kind} {nearest} of {len} in place of {asked}")
    }
}

impl fmt::Display for SizeRounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounded { sizes, moved, formats } => {
                let (sizes, formats) = (joined(sizes, ", "), joined(formats, " and "));
                write!(
                    f,
                    "{sizes} stay, the nearest size that is quantized in {formats}; it moves {:.1}% of the parameters, and `target = all` keeps to what was asked for",
                    100.0 * moved
                )
            }
            Self::TooFar { sizes, moved, formats, loss } => {
                let (sizes, formats) = (joined(sizes, ", "), joined(formats, ","));
                write!(
                    f,
                    "{loss}; the nearest size that is quantized, {sizes}, moves {:.1}% of the parameters; `for = {formats}` keeps to such sizes",
                    100.0 * moved
                )
            }
            Self::NoneNear { asked, possible, formats, loss } => {
                let (asked, formats) = (asked.join(", "), joined(formats, ","));
                write!(
                    f,
                    "{loss}; no size near {asked} is quantized; `for = {formats}` keeps to such sizes"
                )?;
                match possible.as_slice() {
                    [] => Ok(()),
                    possible => write!(f, ", of which possible are {}", possible.join(", or ")),
                }
            }
        }
    }
}

fn joined(parts: &[impl ToString], between: &str) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}
