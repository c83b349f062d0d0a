//! The `dress` command, as a library: its options, its files and what it prints.

mod check_place;
mod command_line;
pub mod commands;
mod costs_file;
mod error;
mod evaluated;
pub mod evaluation;
mod interrupted_run;
mod line_width;
mod log_format;
mod model_files;
mod option_groups;
mod option_names;
mod output;
mod place_lock;
mod read_text;
mod run_context;
mod settings_file;
mod signals;
mod write_result;

pub use check_place::{check_file_place, check_own_file_place, check_place};
pub use command_line::command_line;
pub(crate) use command_line::quoted;
pub use costs_file::{COSTS_FORMAT, CostsFile, Pass, TimedShape};
pub use dress::terminal::Table;
pub use dress::{PruneResult, ResultFile};
pub use error::Error;
pub use evaluated::Evaluation;
pub(crate) use line_width::{line_width, wrapped};
pub use log_format::{JsonEvents, LogFormat, said_error, shown_progress};
pub use model_files::{declared, fingerprint, locate, max_positions, name_of, prefix_token, tokenizer};
pub(crate) use model_files::{row_text, stored_bytes};
pub use output::{Output, print_line, tell};
pub use place_lock::PlaceLock;
pub use read_text::{read_plan, read_text};
pub use run_context::RunContext;
pub use settings_file::with_settings_file;
pub use signals::prepare_signals;
pub use write_result::write_result;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
