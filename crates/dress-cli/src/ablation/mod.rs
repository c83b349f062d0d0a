//! Settings side by side on one checkpoint and the same data: what `dress ablate` is made of.

mod cell;
mod grid;
mod markdown;
mod picture;
mod row;
mod setting;
mod spread;

pub use cell::{ABLATION_SCHEMA, AblationCell, Resolved};
pub use grid::{Point, points};
pub use markdown::markdown;
pub use picture::picture;
pub use row::{Ablation, Row, Summary};
pub use setting::{Setting, Together, Vary};
pub use spread::Spread;
