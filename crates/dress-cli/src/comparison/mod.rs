//! Methods side by side on one checkpoint and the same data: what `dress compare` is made of.

mod cell;
mod cell_key;
mod cell_store;
mod markdown;
mod picture;

pub use dress_core::memory::peak as peak_memory;

pub use cell::{COMPARISON_SCHEMA, Cell, CellId, Comparison, KeptOfKind};
pub use cell_key::{CellKey, DataKey};
pub use cell_store::CellStore;
pub use markdown::markdown;
pub use picture::picture;
