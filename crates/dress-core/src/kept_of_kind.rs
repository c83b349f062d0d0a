//! What is left of a model's axes.

use crate::{Axis, AxisKind, CouplingMap, Selection, least_to_most};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is left of the axes of one kind. Of layers that go as a whole only the depth is counted, and nothing
/// inside of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOfKind {
    /// The kind.
    pub kind: AxisKind,
    /// Structures before, of all its axes.
    pub before: usize,
    /// Structures that stay, of the same.
    pub after: usize,
    /// The fewest and the most that stay of one axis, be it one that loses nothing.
    pub range: [usize; 2],
    /// The fewest and the most that stay of one axis that loses some. Zeros in files from before this was
    /// written.
    #[serde(default)]
    pub reduced: [usize; 2],
    /// The fewest and the most that one axis has before. Zeros in files from before this was written.
    #[serde(default)]
    pub lengths: [usize; 2],
}

impl KeptOfKind {
    /// What `selection` leaves of the kinds that it takes from, of a model whose axes are those of `map`.
    pub fn of(selection: &Selection, map: &CouplingMap) -> Vec<Self> {
        Self::of_lengths(selection, map.iter().map(|(axis, slots)| (axis, slots.len)))
    }

    /// The same where the model before is not at hand: `map` is that of the model that `selection` left.
    pub fn of_sliced(selection: &Selection, map: &CouplingMap) -> Vec<Self> {
        let layers = selection.get(Axis::Depth).map(|depth| depth.kept());
        let before = |(axis, len)| Some((before_slicing(axis, layers.as_deref())?, len));
        Self::of_lengths(selection, map.iter().map(|(axis, slots)| (axis, slots.len)).filter_map(before))
    }

    /// `lengths` are those before of the axes that lose nothing; the selection knows the others'.
    fn of_lengths(selection: &Selection, lengths: impl Iterator<Item = (Axis, usize)>) -> Vec<Self> {
        let gone = selection.removed_layers();
        let selection = selection.outside_removed_layers();
        let taken_from: BTreeSet<AxisKind> = selection.iter().map(|(axis, _)| axis.kind()).collect();
        let chosen = selection.iter().map(|(axis, chosen)| (axis, chosen.len()));
        let lengths: BTreeMap<Axis, usize> = lengths.chain(chosen).collect();
        let mut kinds: BTreeMap<AxisKind, Self> = BTreeMap::new();
        for (axis, len) in lengths {
            let is_gone = axis.layer().is_some_and(|layer| gone.contains(&layer));
            if taken_from.contains(&axis.kind()) && !is_gone {
                let kept = selection.get(axis).map(|chosen| chosen.kept_len());
                kinds.entry(axis.kind()).or_insert_with(|| Self::none(axis.kind())).add(len, kept);
            }
        }
        kinds.into_values().collect()
    }

    /// Of no axis yet.
    fn none(kind: AxisKind) -> Self {
        let nothing = [usize::MAX, 0];
        Self { kind, before: 0, after: 0, range: nothing, reduced: nothing, lengths: nothing }
    }

    /// Adds an axis of `len` structures, of which `kept` stay where some go.
    fn add(&mut self, len: usize, kept: Option<usize>) {
        let after = kept.unwrap_or(len);
        self.before += len;
        self.after += after;
        widen(&mut self.range, after);
        widen(&mut self.lengths, len);
        if let Some(kept) = kept {
            widen(&mut self.reduced, kept);
        }
    }
}

/// Has a range hold `count` too.
fn widen(range: &mut [usize; 2], count: usize) {
    *range = [range[0].min(count), range[1].max(count)];
}

/// The axis that `axis` was before all layers but `layers` went, where there was one.
fn before_slicing(axis: Axis, layers: Option<&[usize]>) -> Option<Axis> {
    let before = |layer: usize| layers.map_or(Some(layer), |layers| layers.get(layer).copied());
    Some(match axis {
        Axis::Ffn { layer } => Axis::Ffn { layer: before(layer)? },
        Axis::Heads { layer } => Axis::Heads { layer: before(layer)? },
        Axis::Residual | Axis::Depth => axis,
    })
}

impl fmt::Display for KeptOfKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.after as f64 / self.before as f64;
        let counts = least_to_most(self.range.map(|count| count.to_string()));
        write!(f, "{} {counts} ({share:.0}%)", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AxisSelection, AxisSlots, MultipleOf};

    fn lost(removed: usize, len: usize) -> AxisSelection {
        AxisSelection::new(len, (0..removed).collect()).unwrap()
    }

    fn map(axes: impl IntoIterator<Item = (Axis, usize)>) -> CouplingMap {
        axes.into_iter().fold(CouplingMap::new(), |map, (axis, len)| {
            let multiple_of = MultipleOf::ONE;
            map.with(axis, AxisSlots { len, multiple_of, normalization: None, slots: Vec::new() })
        })
    }

    fn texts(kept: &[KeptOfKind]) -> Vec<String> {
        kept.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn layers_that_lose_nothing_are_counted_whole_with_their_own_lengths() {
        let selection = Selection::new()
            .with(Axis::Ffn { layer: 0 }, lost(4, 10))
            .with(Axis::Ffn { layer: 1 }, lost(2, 10))
            .with(Axis::Residual, lost(5, 10));
        let lengths = [10, 10, 30].into_iter().enumerate().map(|(layer, len)| (Axis::Ffn { layer }, len));
        let before = map(lengths.chain([(Axis::Residual, 10), (Axis::Heads { layer: 0 }, 4)]));
        let kept = KeptOfKind::of(&selection, &before);
        assert_eq!(texts(&kept), ["residual 5 (50%)", "ffn 6 to 30 (88%)"]);
        assert_eq!((kept[1].before, kept[1].after), (50, 44));
        assert_eq!((kept[1].reduced, kept[1].lengths), ([6, 8], [10, 30]));
        let lengths = [6, 8, 30].into_iter().enumerate().map(|(layer, len)| (Axis::Ffn { layer }, len));
        let after = map(lengths.chain([(Axis::Residual, 5), (Axis::Heads { layer: 0 }, 4)]));
        assert_eq!(KeptOfKind::of_sliced(&selection, &after), kept);
    }

    #[test]
    fn nothing_is_counted_inside_of_layers_that_go() {
        let selection = Selection::new()
            .with(Axis::Depth, lost(1, 3))
            .with(Axis::Ffn { layer: 0 }, lost(1, 10))
            .with(Axis::Ffn { layer: 2 }, lost(4, 12));
        let ffn = |lengths: &[usize]| -> Vec<(Axis, usize)> {
            lengths.iter().enumerate().map(|(layer, &len)| (Axis::Ffn { layer }, len)).collect()
        };
        let before = map(ffn(&[10, 11, 12]).into_iter().chain([(Axis::Depth, 3)]));
        let kept = KeptOfKind::of(&selection, &before);
        assert_eq!(texts(&kept), ["ffn 8 to 11 (83%)", "depth 2 (67%)"]);
        let after = map(ffn(&[11, 8]).into_iter().chain([(Axis::Depth, 2)]));
        assert_eq!(KeptOfKind::of_sliced(&selection, &after), kept);
    }
}
