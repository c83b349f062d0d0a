//! Settings side by side on one checkpoint and the same data.

mod cell;
mod control;
mod described_run;
mod grid;
mod markdown;
mod measure;
mod picture;
mod prune_run;
mod rehearsal;
mod row;
mod setting;
mod spread;
mod study;

pub use cell::{ABLATION_SCHEMA, AblationCell, Resolved};
pub use control::Control;
pub use described_run::DescribedRun;
pub use grid::{Vary, combinations};
pub use markdown::markdown;
pub use picture::picture;
pub use prune_run::PruneRun;
pub use row::{Ablation, Row, Summary};
pub use setting::{Setting, vary};
pub use spread::Spread;
pub use study::{AblationStudy, PlannedCell, Variant};
