//! Methods side by side on one checkpoint and the same data.

mod cell;
mod markdown;
mod measure;
mod picture;
mod rehearsal;
mod settings;
mod study;

pub use cell::{COMPARISON_SCHEMA, Cell, CellId, Comparison};
pub use markdown::markdown;
pub(crate) use picture::last_part;
pub use picture::picture;
pub use settings::{ComparisonSettings, RatioOf};
pub use study::ComparisonStudy;
