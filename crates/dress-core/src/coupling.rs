//! What has to be sliced together.

use crate::{Axis, AxisKind, Error, Slot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All the places one axis touches, and how it may be cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisSlots {
    /// How many structures the axis has.
    pub len: usize,
    /// The kept count has to be a multiple of this for the result to be expressible in the
    /// family's stock config.
    pub multiple_of: usize,
    /// Whether the `Scales` slots are gains of norms whose statistics run over this axis, so that
    /// slicing rescales them by `sqrt(len / kept)` (identity E2).
    pub normalized: bool,
    /// Every slot of the axis, each (parameter, dimension) once.
    pub slots: Vec<Slot>,
}

/// Per axis of one model, every slot that has to be sliced together.
///
/// A family declares this and nothing else about pruning: scorers, penalties and the slicer see
/// only slots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CouplingMap {
    axes: BTreeMap<Axis, AxisSlots>,
}

impl CouplingMap {
    /// A map without axes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an axis, replacing what was there under the same name.
    #[must_use]
    pub fn with(mut self, axis: Axis, slots: AxisSlots) -> Self {
        self.axes.insert(axis, slots);
        self
    }

    /// The slots of one axis.
    ///
    /// # Errors
    /// [`Error::AxisNotInModel`] where the model has no such axis.
    pub fn axis(&self, axis: Axis) -> Result<&AxisSlots, Error> {
        self.axes.get(&axis).ok_or_else(|| Error::AxisNotInModel {
            axis: axis.to_string(),
            available: self.kinds().iter().map(ToString::to_string).collect(),
        })
    }

    /// Every axis with its slots, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Axis, &AxisSlots)> {
        self.axes.iter().map(|(axis, slots)| (*axis, slots))
    }

    /// The axes of one kind: one for the residual width, one a block for FFN and heads.
    ///
    /// # Errors
    /// [`Error::AxisNotInModel`] where there is none.
    pub fn of_kind(&self, kind: AxisKind) -> Result<Vec<Axis>, Error> {
        let axes: Vec<Axis> = self.axes.keys().copied().filter(|a| a.kind() == kind).collect();
        if axes.is_empty() {
            return Err(Error::AxisNotInModel {
                axis: kind.to_string(),
                available: self.kinds().iter().map(ToString::to_string).collect(),
            });
        }
        Ok(axes)
    }

    /// The kinds of axis this model has.
    pub fn kinds(&self) -> Vec<AxisKind> {
        let mut kinds: Vec<AxisKind> = self.axes.keys().map(|a| a.kind()).collect();
        kinds.dedup();
        kinds
    }
}
