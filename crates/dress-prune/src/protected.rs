//! Structures that stay, whatever their scores.

use crate::Error;
use dress_core::{Axis, AxisKind, CouplingMap, Scores, as_ranges};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The most that a number of a layer or of a structure is taken to be.
const MOST: usize = 1 << 24;

/// Structures that stay, whatever their scores: whole layers with all that is in them, and single structures
/// of an axis.
///
/// Written `layers=0-3,28`, `heads=5.2` (head group 2 of layer 5), `ffn=0-3.100-120` (neurons 100 to 120 of
/// layers 0 to 3) and `residual=17`, several of them with commas.
///
/// # Examples
/// ```
/// use dress_core::Axis;
/// use dress_prune::Protected;
///
/// let protected: Protected = "layers=0-1,residual=17,heads=5.2".parse()?;
/// assert_eq!(protected.of(Axis::Heads { layer: 5 }, 8), [2]);
/// assert_eq!(protected.of(Axis::Ffn { layer: 1 }, 3), [0, 1, 2], "all of a layer that is protected");
/// assert_eq!(protected.to_string(), "layers=0-1,residual=17,heads=5.2");
/// # Ok::<(), dress_prune::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Protected {
    /// Layers of which nothing goes, and which do not go themselves.
    #[serde(default)]
    pub layers: BTreeSet<usize>,
    /// The structures of single axes.
    #[serde(default)]
    pub structures: BTreeMap<Axis, BTreeSet<usize>>,
}

impl Protected {
    /// Whether anything may go.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.structures.is_empty()
    }

    /// The same with what `other` protects.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.layers.extend(other.layers);
        for (axis, structures) in other.structures {
            self.structures.entry(axis).or_default().extend(structures);
        }
        self
    }

    /// The structures of an axis of `len` that stay, ascending.
    pub fn of(&self, axis: Axis, len: usize) -> Vec<usize> {
        if self.is_whole(axis) {
            return (0..len).collect();
        }
        let single = self.structures.get(&axis).into_iter().flatten();
        let layers = self.layers.iter().filter(|_| axis == Axis::Depth);
        let all: BTreeSet<usize> = single.chain(layers).copied().collect();
        all.into_iter().collect()
    }

    /// The scores with those of what is protected above all others, so that it is the last to go.
    pub(crate) fn last(&self, scores: &Scores) -> Result<Scores, Error> {
        let mut raised = Scores::new();
        for (axis, of_axis) in scores.iter() {
            let mut of_axis = of_axis.to_vec();
            for index in self.of(axis, of_axis.len()) {
                of_axis[index] = f64::MAX;
            }
            raised.insert(axis, of_axis)?;
        }
        Ok(raised)
    }

    /// Whether an axis is one of a layer that is protected.
    pub(crate) fn is_whole(&self, axis: Axis) -> bool {
        axis.layer().is_some_and(|layer| self.layers.contains(&layer))
    }

    /// Whether layers differ for its sake where something goes of these kinds of axes.
    pub(crate) fn makes_layers_differ(&self, mut kinds: impl Iterator<Item = AxisKind>) -> bool {
        !self.layers.is_empty() && kinds.any(|kind| [AxisKind::Ffn, AxisKind::Heads].contains(&kind))
    }

    /// Checks that a model has all that is protected.
    ///
    /// # Errors
    /// [`Error::NothingToProtect`] with what it has not, and [`dress_core::Error::AxisNotInModel`].
    pub fn check(&self, map: &CouplingMap) -> Result<(), Error> {
        let within = |axis: Axis, index: usize| -> Result<(), Error> {
            let len = map.axis(axis)?.len;
            let named = || Error::NothingToProtect { axis: axis.to_string(), index, len };
            if index < len { Ok(()) } else { Err(named()) }
        };
        self.layers.iter().try_for_each(|&layer| within(Axis::Depth, layer))?;
        let all =
            self.structures.iter().flat_map(|(axis, indices)| indices.iter().map(|index| (*axis, *index)));
        let mut all = all;
        all.try_for_each(|(axis, index)| within(axis, index))
    }

    /// Adds places of one name; none where they are no such places.
    fn add(&mut self, name: &str, places: &str) -> Option<()> {
        if name == "layers" {
            self.layers.extend(range(places)?);
            return Some(());
        }
        match name.parse::<AxisKind>().ok()? {
            AxisKind::Depth => self.layers.extend(range(places)?),
            AxisKind::Residual => self.structures.entry(Axis::Residual).or_default().extend(range(places)?),
            kind => {
                let (layers, indices) = places.split_once('.')?;
                let indices = range(indices)?;
                for layer in range(layers)? {
                    let axis =
                        if kind == AxisKind::Ffn { Axis::Ffn { layer } } else { Axis::Heads { layer } };
                    self.structures.entry(axis).or_default().extend(indices.clone());
                }
            }
        }
        Some(())
    }
}

/// `3`, or `0-3` for all from 0 to 3.
pub(crate) fn range(text: &str) -> Option<RangeInclusive<usize>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last && last < MOST).then_some(first..=last)
}

impl FromStr for Protected {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || Error::ProtectedText { text: text.into() };
        let (mut protected, mut name) = (Self::default(), None);
        for part in text.split(',') {
            let places = match part.split_once('=') {
                Some((named, places)) => {
                    name = Some(named.trim());
                    places
                }
                None => part,
            };
            protected.add(name.ok_or_else(refused)?, places.trim()).ok_or_else(refused)?;
        }
        Ok(protected)
    }
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = |numbers: &BTreeSet<usize>| as_ranges(numbers.iter().copied(), ",");
        let mut parts = Vec::new();
        if !self.layers.is_empty() {
            parts.push(format!("layers={}", ranges(&self.layers)));
        }
        for (axis, indices) in &self.structures {
            let layer = axis.layer().map_or(String::new(), |layer| format!("{layer}."));
            let places = ranges(indices).split(',').map(|part| format!("{layer}{part}")).collect::<Vec<_>>();
            parts.push(format!("{}={}", axis.kind(), places.join(",")));
        }
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_is_read_as_it_is_written() {
        for text in [
            "layers=0-3,28-29",
            "residual=17",
            "ffn=0.100-120,ffn=4.7",
            "heads=5.2",
            "layers=1,heads=5.0,5.2",
        ] {
            assert_eq!(text.parse::<Protected>().unwrap().to_string(), text);
        }
        let both: Protected = "mlp=0-1.5".parse().unwrap();
        assert_eq!(both.to_string(), "ffn=0.5,ffn=1.5");
        let more = both.and("layers=3".parse().unwrap());
        assert_eq!(more.to_string(), "layers=3,ffn=0.5,ffn=1.5");
    }

    #[test]
    fn what_is_no_place_is_refused_with_how_to_write_one() {
        for bad in
            ["", "3", "layers=", "layers=3-1", "heads=5", "neck=1", "layers=99999999999", "residual=1.2"]
        {
            let said = bad.parse::<Protected>().unwrap_err().to_string();
            assert!(said.contains("layers=0-3") && said.contains(bad), "{said}");
        }
    }

    #[test]
    fn what_is_protected_is_the_last_to_go() {
        let mut scores = Scores::new();
        scores.insert(Axis::Residual, vec![3.0, 1.0, 2.0]).unwrap();
        let raised = "residual=1".parse::<Protected>().unwrap().last(&scores).unwrap();
        assert_eq!(raised.get(Axis::Residual), Some(&[3.0, f64::MAX, 2.0][..]));
    }

    #[test]
    fn layers_that_are_protected_make_others_differ_where_they_lose_something() {
        let layers: Protected = "layers=0".parse().unwrap();
        let differ = |of: &Protected, kind| of.makes_layers_differ([kind].into_iter());
        assert!(differ(&layers, AxisKind::Ffn) && !differ(&layers, AxisKind::Depth));
        assert!(!differ(&"heads=0.1".parse().unwrap(), AxisKind::Heads), "as many go of every layer");
        assert_eq!(layers.of(Axis::Depth, 4), [0]);
    }
}
