//! The `dress` command, as a library: what it shares with the examples.

pub mod ablation;
pub mod cells;
mod check_place;
pub mod commands;
pub mod comparison;
mod costs_file;
mod error;
pub mod evaluation;
mod located;
mod output;
mod place_lock;
mod read_text;
mod result_file;
mod signals;
mod table;
mod terminal_progress;
mod write_beside;

pub use check_place::{check_file_place, check_own_file_place, check_place};
pub use costs_file::{COSTS_FORMAT, CostsFile, Pass, TimedShape};
pub use error::Error;
pub use located::{declared, fingerprint, locate, max_positions, prefix_token, tokenizer};
pub use output::{Output, print_line, tell};
pub use place_lock::PlaceLock;
pub use read_text::{read_plan, read_text};
pub use result_file::{Evaluation, PruneResult, ResultFile};
pub use signals::prepare_signals;
pub use table::Table;
pub use terminal_progress::TerminalProgress;
pub use write_beside::{write_beside, write_result};
