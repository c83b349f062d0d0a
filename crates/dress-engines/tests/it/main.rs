//! The tables that ship, held to what engines and quantizers were seen to do.

mod bytes;
mod files;
mod models;
mod verdicts;
