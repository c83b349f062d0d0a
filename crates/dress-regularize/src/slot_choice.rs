//! Which slots a penalty acts on.

use dress_core::{Axis, AxisSlots, Role};
use serde::{Deserialize, Serialize};

/// Which slots of the selected structures a penalty acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotChoice {
    /// Everything that slicing removes.
    #[default]
    All,
    /// Only what writes the structures. When that is zero, slicing is exact already.
    Writers,
    /// Only what reads the structures, and where a norm is over neurons or heads what writes them as well:
    /// the norm sees them whether or not they are read (the queries and keys of OLMo 2).
    Readers,
}

impl SlotChoice {
    /// Whether a slot of that role on `axis`, whose slots are `slots`, is one of them.
    pub fn includes(self, axis: Axis, slots: &AxisSlots, role: Role) -> bool {
        match self {
            SlotChoice::All => true,
            SlotChoice::Writers => matches!(role, Role::Writes | Role::Shifts),
            SlotChoice::Readers => {
                let seen_by_a_norm = axis != Axis::Residual && slots.normalization.is_some();
                role == Role::Reads || (role == Role::Writes && seen_by_a_norm)
            }
        }
    }
}
