//! Work that is done a cell at a time, and kept by a hash of all that it depends on: what a comparison and an
//! ablation share.

mod each;
mod key;
mod measured;
mod store;
mod table_note;

pub(crate) use each::outcome_of;
pub use each::{Outcome, Turn, Wanted, each_cell};
pub use key::{CellKey, DataKey, config_by_meaning};
pub use measured::Measured;
pub use store::{CellStore, Finished};
pub use table_note::measured_on;
