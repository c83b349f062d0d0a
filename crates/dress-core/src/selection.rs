//! Which structures go and which stay.

use crate::{Axis, CouplingMap, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The structures of one axis that go; all others stay, in their order.
///
/// # Examples
/// ```
/// use dress_core::AxisSelection;
///
/// let selection = AxisSelection::new(5, vec![3, 1])?;
/// assert_eq!(selection.removed(), [1, 3]);
/// assert_eq!(selection.kept(), [0, 2, 4]);
/// // E1: what stays comes first.
/// assert_eq!(selection.permutation(), [0, 2, 4, 1, 3]);
/// assert_eq!(selection.permuted().removed(), [3, 4]);
/// assert!(AxisSelection::new(2, vec![0, 1]).is_err(), "nothing would be left");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawAxisSelection")]
pub struct AxisSelection {
    len: usize,
    removed: Vec<usize>,
}

#[derive(Deserialize)]
struct RawAxisSelection {
    len: usize,
    removed: Vec<usize>,
}

impl TryFrom<RawAxisSelection> for AxisSelection {
    type Error = Error;

    fn try_from(raw: RawAxisSelection) -> Result<Self, Error> {
        Self::new(raw.len, raw.removed)
    }
}

impl AxisSelection {
    /// Checks a set of indices into an axis of `len` structures.
    ///
    /// # Errors
    /// [`Error::SelectionIndex`] where an index is repeated or not below `len`, and
    /// [`Error::SelectionEmpties`] where nothing would be left.
    pub fn new(len: usize, mut removed: Vec<usize>) -> Result<Self, Error> {
        removed.sort_unstable();
        let repeated = removed.windows(2).find(|w| w[0] == w[1]).map(|w| w[0]);
        if let Some(index) = repeated.or(removed.last().copied().filter(|&i| i >= len)) {
            return Err(Error::SelectionIndex { index, len });
        }
        if removed.len() == len {
            return Err(Error::SelectionEmpties { len });
        }
        Ok(Self { len, removed })
    }

    /// How many structures the axis has before slicing.
    // A selection is never of an axis without structures, so `is_empty` would say nothing.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The indices that go, ascending.
    pub fn removed(&self) -> &[usize] {
        &self.removed
    }

    /// The indices that stay, ascending.
    pub fn kept(&self) -> Vec<usize> {
        let mut gone = vec![false; self.len];
        self.removed.iter().for_each(|&i| gone[i] = true);
        (0..self.len).filter(|&i| !gone[i]).collect()
    }

    /// How many structures stay.
    pub fn kept_len(&self) -> usize {
        self.len - self.removed.len()
    }

    /// Every index once, the ones that stay first (identity [E1]).
    ///
    /// [E1]: crate::identities#e1
    pub fn permutation(&self) -> Vec<usize> {
        let mut order = self.kept();
        order.extend_from_slice(&self.removed);
        order
    }

    /// The same selection after [`AxisSelection::permutation`]: the last indices go.
    #[must_use]
    pub fn permuted(&self) -> Self {
        Self { len: self.len, removed: (self.kept_len()..self.len).collect() }
    }
}

/// Per axis, which structures go and which stay. Axes that are not named stay whole.
///
/// # Examples
/// ```
/// use dress_core::{Axis, AxisSelection, Selection};
///
/// let neurons = AxisSelection::new(24, (16..24).collect())?;
/// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, neurons);
/// assert_eq!(selection.get(Axis::Ffn { layer: 0 }).map(|chosen| chosen.kept_len()), Some(16));
/// assert!(selection.get(Axis::Residual).is_none(), "it stays whole");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selection {
    axes: BTreeMap<Axis, AxisSelection>,
}

impl Selection {
    /// A selection that removes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one axis, replacing what was selected of it.
    #[must_use]
    pub fn with(mut self, axis: Axis, selection: AxisSelection) -> Self {
        self.axes.insert(axis, selection);
        self
    }

    /// What goes of one axis, where anything does.
    pub fn get(&self, axis: Axis) -> Option<&AxisSelection> {
        self.axes.get(&axis).filter(|s| !s.removed.is_empty())
    }

    /// Every axis that loses structures, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Axis, &AxisSelection)> {
        self.axes.iter().filter(|(_, s)| !s.removed.is_empty()).map(|(a, s)| (*a, s))
    }

    /// Whether nothing is removed.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The same selection on a model whose axes were permuted to put what stays first. Layers have no other
    /// order than theirs.
    #[must_use]
    pub fn permuted(&self) -> Self {
        let permuted =
            |axis: &Axis, s: &AxisSelection| if *axis == Axis::Depth { s.clone() } else { s.permuted() };
        Self { axes: self.axes.iter().map(|(a, s)| (*a, permuted(a, s))).collect() }
    }

    /// The numbers of the layers that go as a whole, ascending.
    pub fn removed_layers(&self) -> &[usize] {
        self.get(Axis::Depth).map_or(&[], |depth| depth.removed())
    }

    /// The same selection without what is selected inside of layers that go as a whole.
    ///
    /// # Examples
    /// ```
    /// use dress_core::{Axis, AxisSelection, Selection};
    ///
    /// let neurons = AxisSelection::new(24, vec![3, 7])?;
    /// let selection = Selection::new()
    ///     .with(Axis::Ffn { layer: 0 }, neurons.clone())
    ///     .with(Axis::Ffn { layer: 1 }, neurons.clone())
    ///     .with(Axis::Depth, AxisSelection::new(2, vec![0])?);
    /// let outside = selection.outside_removed_layers();
    /// assert_eq!(outside.get(Axis::Ffn { layer: 0 }), None);
    /// assert_eq!(outside.get(Axis::Ffn { layer: 1 }), Some(&neurons));
    /// assert_eq!(outside.removed_layers(), [0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outside_removed_layers(&self) -> Self {
        let gone = |axis: Axis| axis.layer().is_some_and(|layer| self.removed_layers().contains(&layer));
        let outside = self.iter().filter(|(axis, _)| !gone(*axis));
        Self { axes: outside.map(|(axis, chosen)| (axis, chosen.clone())).collect() }
    }

    /// Which layers go, and what goes of the model that is left, its layers counted anew.
    pub fn split_depth(&self) -> (Self, Self) {
        let Some(depth) = self.get(Axis::Depth) else { return (Self::new(), self.clone()) };
        let place = |layer: usize| depth.kept().binary_search(&layer).ok();
        let moved = |axis: Axis| match axis {
            Axis::Residual => Some(axis),
            Axis::Ffn { layer } => place(layer).map(|layer| Axis::Ffn { layer }),
            Axis::Heads { layer } => place(layer).map(|layer| Axis::Heads { layer }),
            Axis::Depth => None,
        };
        let rest = self.iter().filter_map(|(axis, s)| Some((moved(axis)?, s.clone()))).collect();
        (Self::new().with(Axis::Depth, depth.clone()), Self { axes: rest })
    }

    /// Checks that every selected axis exists in `map` with the length it was selected for.
    ///
    /// # Errors
    /// [`Error::AxisNotInModel`] and [`Error::SelectionLength`].
    pub fn check(&self, map: &CouplingMap) -> Result<(), Error> {
        for (axis, selection) in self.iter() {
            let expected = map.axis(axis)?.len;
            if selection.len != expected {
                let axis = axis.to_string();
                return Err(Error::SelectionLength { axis, expected, found: selection.len });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_and_removed_share_out_the_axis() {
        let selection = AxisSelection::new(5, vec![3, 0]).unwrap();
        assert_eq!(selection.removed(), [0, 3]);
        assert_eq!(selection.kept(), [1, 2, 4]);
        assert_eq!(selection.permutation(), [1, 2, 4, 0, 3]);
        assert_eq!(selection.permuted().removed(), [3, 4]);
    }

    #[test]
    fn a_bad_index_in_a_file_is_an_error() {
        for bad in
            [r#"{"len":4,"removed":[4]}"#, r#"{"len":4,"removed":[1,1]}"#, r#"{"len":2,"removed":[0,1]}"#]
        {
            assert!(serde_json::from_str::<AxisSelection>(bad).is_err(), "{bad}");
        }
    }
}
