//! What people at a terminal see: progress bars and small tables.

mod progress_bar;
mod progress_lines;
mod table;

pub use progress_bar::TerminalProgress;
pub use progress_lines::{LineFormat, ProgressLines};
pub use table::{REFUSED, Table};
