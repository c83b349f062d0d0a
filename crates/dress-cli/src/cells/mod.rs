//! Work that is done a cell at a time: each in a process of its own, so that its peak memory is its own, and kept by a hash
//! of all that it depends on. What `dress compare` and `dress ablate` share.

mod each;
mod kept;
mod key;
mod measured;
mod store;
mod wording;

pub use each::{Wanted, each_cell};
pub use kept::KeptOfKind;
pub use key::{CellKey, DataKey, config_by_meaning};
pub use measured::Measured;
pub use store::{CellStore, Finished};
pub use wording::measured_on;
