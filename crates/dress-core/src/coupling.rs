//! What has to be sliced together.

use crate::parameters::ParameterInfo;
use crate::{Axis, AxisKind, Error, MultipleOf, Role, Slot};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The norms whose statistics run over an axis. Slicing multiplies their gains by `sqrt(len / kept)`
/// and their epsilon by `len / kept` (identity [E2]).
///
/// [E2]: crate::identities#e2
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Root mean square: slicing channels that are zero is exact.
    RootMeanSquare,
    /// Root mean square over what layers add to the stream, before it is added, and before the head: slicing
    /// channels that are zero is exact, and no rotation can be put into what such a norm is behind.
    RootMeanSquareBehind,
    /// Layer norms that read the stream. Slicing channels that are zero is exact where the stream's
    /// mean is zero, which its writers can see to (identity [E3]).
    ///
    /// [E3]: crate::identities#e3
    Layer,
    /// Layer norms whose output is the stream, as in OPT-350M: its mean is what their gains make of
    /// it, so that slicing is only close.
    PostLayer,
}

/// All the places one axis touches, and how it may be cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisSlots {
    /// How many structures the axis has.
    pub len: usize,
    /// The kept count has to be a multiple of this for the result to be expressible in the
    /// family's stock config.
    pub multiple_of: MultipleOf,
    /// The norms over this axis, whose gains are its `Scales` slots, if there are any.
    pub normalization: Option<Normalization>,
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

    /// The axes of one kind: one for the residual width, one a layer for FFN and heads.
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

    /// Those of a model's `parameters` that every token is multiplied with: all matrices but those of which
    /// it takes a row, embeddings of tokens and positions, unless one is the head as well. An embedding that
    /// a projection brings to the stream's width is counted.
    pub fn multiplied<'a>(&self, parameters: &'a [ParameterInfo]) -> Vec<&'a ParameterInfo> {
        let slots = self.axes.values().flat_map(|axis| &axis.slots);
        let looked_up = slots.filter(|slot| slot.role == Role::Writes && slot.dim == 1 && !slot.tied);
        let looked_up: BTreeSet<&str> = looked_up.map(|slot| slot.parameter.as_str()).collect();
        let multiplied =
            |info: &&ParameterInfo| info.shape.len() > 1 && !looked_up.contains(info.name.as_str());
        parameters.iter().filter(multiplied).collect()
    }

    /// The kinds of axis this model has.
    pub fn kinds(&self) -> Vec<AxisKind> {
        let mut kinds: Vec<AxisKind> = self.axes.keys().map(|a| a.kind()).collect();
        kinds.dedup();
        kinds
    }
}
