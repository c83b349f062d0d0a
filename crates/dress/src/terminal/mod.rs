//! What people at a terminal see: progress bars and small tables.

mod progress_bar;
mod table;

pub use progress_bar::TerminalProgress;
pub use table::Table;
