//! Methods side by side on one checkpoint and the same data: what `dress compare` is made of.

mod cell;
mod markdown;
mod picture;

pub use cell::{COMPARISON_SCHEMA, Cell, CellId, Comparison};
pub use markdown::markdown;
pub use picture::picture;
