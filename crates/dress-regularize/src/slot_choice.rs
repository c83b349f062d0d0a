//! Which slots a penalty acts on.

use dress_core::Role;
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
    /// Only what reads the structures.
    Readers,
}

impl SlotChoice {
    /// Whether a slot of that role is one of them.
    pub fn includes(self, role: Role) -> bool {
        match self {
            SlotChoice::All => true,
            SlotChoice::Writers => matches!(role, Role::Writes | Role::Shifts),
            SlotChoice::Readers => role == Role::Reads,
        }
    }
}
