//! Methods side by side on one checkpoint and the same data: what `dress compare` is made of.

mod cell;
mod cell_key;
mod cell_store;
mod markdown;
mod peak_memory;
mod picture;

pub use cell::{COMPARISON_SCHEMA, Cell, CellId, Comparison, KeptOfKind};
pub use cell_key::{CellKey, DataKey};
pub use cell_store::CellStore;
pub use markdown::markdown;
pub use peak_memory::peak_memory;
pub use picture::picture;
