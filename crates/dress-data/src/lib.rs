//! From files to blocks of tokens.
//!
//! [`Windows`] are what perplexity is measured over, by a [`Protocol`] or by options. [`Corpus`] reads plain
//! text, JSON, CSV and Parquet, told from the first bytes; [`Tokenizer`] is the checkpoint's own;
//! [`evaluation_blocks`], [`calibration_blocks`] and [`training_blocks`] cut the text as perplexity,
//! calibration and training from nothing want it. Every result carries the SHA-256 of the corpus and of the
//! tokenizer.

mod blocks;
mod chat_template;
mod corpus;
mod disjoint;
mod error;
mod files;
mod format;
mod json_rows;
mod large_lines;
mod mixture;
mod pieces;
mod protocol;
mod row_text;
mod rows;
mod sample_config;
mod sampling;
mod sha256;
mod tables;
mod tokenizer;
mod tokenizer_json;
mod windows;

pub use blocks::{BlockConfig, evaluation_blocks, training_blocks};
pub use chat_template::{ChatMessage, ChatTemplate};
pub use corpus::Corpus;
pub use error::Error;
pub use format::CorpusFormat;
pub use mixture::Mixture;
pub use protocol::Protocol;
pub use row_text::RowText;
pub use sample_config::SampleConfig;
pub use sampling::{calibration_and_held_back, calibration_blocks};
pub use tokenizer::Tokenizer;
pub use windows::{Bos, Window, WindowConfig, Windows};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
