//! How much of a model is gone.

use dress_core::Axis;
use std::collections::BTreeMap;

/// How many structures of each axis are gone; those that are not named are whole.
pub(crate) type Gone = BTreeMap<Axis, usize>;
