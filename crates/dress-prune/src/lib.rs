//! From scores to a smaller dense model.
//!
//! [`select`] turns scores into a selection at a ratio, [`permute`] moves what goes to the end of
//! every axis (identity E1), [`slice()`] removes it (E2), [`mask`] zeroes it instead, and
//! [`prune`] is the whole path: score, regularize, slice. None of them knows a model family: they
//! see the coupling map's slots.

mod basis;
mod budget;
mod compensate;
mod error;
mod mask;
mod pipeline;
mod regularize;
mod reindex;
mod rounds;
mod select;
mod slice;

pub use basis::{Rotated, rotate_to_principal_components};
pub use budget::{Budget, Fit, Measure, TOLERANCE};
pub use compensate::{CompensatedProjection, Compensation, compensate};
pub use dress_regularize::{centre, recentre};
pub use error::Error;
pub use mask::mask;
pub use pipeline::{PruneConfig, PruneReport, Pruned, axes, plan, plan_of_scores, prune};
pub use regularize::{Distill, RegularizeConfig};
pub use reindex::{edits, permute};
pub use rounds::{Round, prune_in_rounds};
pub use select::{AxisTarget, select};
pub use slice::{apply, slice};
