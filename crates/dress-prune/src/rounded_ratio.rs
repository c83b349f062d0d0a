//! What rounding made of a ratio.

use crate::AxisTarget;
use crate::size_rounding::nearest_to_ratio;
use dress_core::{AxisKind, Ratio, Selection};
use std::fmt;

/// A share of an axis by which what goes may be off without a warning.
const UNNOTICED: f64 = 0.05;

/// A share below which nobody minds.
const SAME: f64 = 0.002;

/// A ratio that the checkpoint's configuration, the target or the tile made another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundedRatio {
    /// The kind of axis.
    pub kind: AxisKind,
    /// The ratio that was asked for.
    pub asked: Ratio,
    /// How many structures of an axis go.
    pub removed: usize,
    /// How many it has.
    pub len: usize,
}

impl RoundedRatio {
    /// What `selection` made of each target's ratio, where that is not what was asked for.
    pub fn all(selection: &Selection, targets: &[AxisTarget]) -> Vec<Self> {
        let of = |&AxisTarget { kind, ratio, .. }: &AxisTarget| {
            let first = selection.iter().find(|(axis, _)| axis.kind() == kind);
            let (removed, len) = first.map(|(_, chosen)| (chosen.removed().len(), chosen.len()))?;
            let rounded = Self { kind, asked: ratio, removed, len };
            (ratio.get() > 0.0 && rounded.off() > SAME).then_some(rounded)
        };
        targets.iter().filter_map(of).collect()
    }

    /// By which share of the axis it is off.
    pub fn off(&self) -> f64 {
        (self.removed as f64 / self.len as f64 - self.asked.get()).abs()
    }

    /// Whether it is so far off that whoever asked should know before the work.
    pub fn is_far(&self) -> bool {
        self.off() > UNNOTICED
    }
}

impl fmt::Display for RoundedRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { kind, asked, removed, len } = self;
        f.write_str(&nearest_to_ratio(kind, [len - removed, len], asked, "the config and the tile allow"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{Axis, AxisSelection};

    #[test]
    fn what_is_not_what_was_asked_for_is_said_and_more_so_where_it_is_far() {
        let gone = |removed: usize, len: usize| {
            Selection::new().with(Axis::Residual, AxisSelection::new(len, (0..removed).collect()).unwrap())
        };
        let of = |removed, len, ratio: f64| {
            let target = AxisTarget::new(AxisKind::Residual, Ratio::new(ratio).unwrap(), 1);
            RoundedRatio::all(&gone(removed, len), &[target])
        };
        assert!(of(48, 192, 0.25).is_empty() && of(102, 512, 0.2).is_empty());
        let near = of(48, 192, 0.26);
        assert!(near.len() == 1 && !near[0].is_far() && near[0].to_string().contains("0.26 was asked for"));
        assert!(of(1, 2, 0.3)[0].is_far());
    }
}
