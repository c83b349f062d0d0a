//! Work that is done a cell at a time, and kept by a hash of all that it depends on: what a comparison and an ablation share.

mod each;
mod key;
mod measured;
mod measured_on;
mod store;

pub(crate) use each::outcome_of;
pub use each::{Outcome, Turn, Wanted, each_cell};
pub use key::{CellKey, DataKey, config_by_meaning};
pub use measured::Measured;
pub use measured_on::measured_on;
pub use store::{CellStore, Finished};
