//! What is left of a model's axes.

use crate::{Axis, AxisKind, Selection, SlicePlan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

impl KeptOfKind {
    /// What a plan leaves of the kinds that it takes from. Layers that were scored and lose nothing are counted whole.
    pub fn of_plan(plan: &SlicePlan) -> Vec<Self> {
        Self::of(&plan.selection, plan.scores.keys().copied())
    }

    /// What `selection` leaves of the kinds that it takes from, of a model that has `axes`.
    pub fn of(selection: &Selection, axes: impl IntoIterator<Item = Axis>) -> Vec<Self> {
        let all: BTreeSet<Axis> = axes.into_iter().chain(selection.iter().map(|(axis, _)| axis)).collect();
        let count = |kind: AxisKind| all.iter().filter(|axis| axis.kind() == kind).count();
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
            let untouched = count(kind) - touched;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AxisSelection;

    #[test]
    fn layers_that_lose_nothing_are_counted_whole() {
        let lost = |removed: usize| AxisSelection::new(10, (0..removed).collect()).unwrap();
        let selection = Selection::new()
            .with(Axis::Ffn { layer: 0 }, lost(4))
            .with(Axis::Ffn { layer: 1 }, lost(2))
            .with(Axis::Residual, lost(5));
        let axes = (0..3).map(|layer| Axis::Ffn { layer }).chain([Axis::Residual]);
        let kept = KeptOfKind::of(&selection, axes);
        let texts: Vec<String> = kept.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["residual 5 (50%)", "ffn 6 to 10 (80%)"]);
    }
}
