//! How much of which kind of axis should go.

use dress_core::{AxisKind, Ratio};
use serde::{Deserialize, Serialize};

/// How much of one kind of axis goes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AxisTarget {
    /// The kind; of FFN and heads, every layer loses the same number.
    pub kind: AxisKind,
    /// The share that goes.
    pub ratio: Ratio,
    /// What the kept count is rounded to, beside what the family's config wants: the hardware's
    /// tile, or 1.
    pub tile: usize,
}

impl AxisTarget {
    /// What goes of a kind of axis; whole layers are not rounded to a tile.
    pub fn new(kind: AxisKind, ratio: Ratio, tile: usize) -> Self {
        Self { kind, ratio, tile: if kind == AxisKind::Depth { 1 } else { tile } }
    }
}
