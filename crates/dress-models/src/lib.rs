//! Model families for DReSS, in Burn.
//!
//! A family is a config, a thin composition of the shared [`blocks`] and a coupling map: see
//! [`llama`], [`opt`] and [`phi`]. [`AnyModel`] picks the family from `config.json`, [`checkpoint`] reads and writes
//! Hugging Face directories, and [`generation`] continues a text.
//!
//! ```no_run
//! use dress_models::{AnyModel, LoadConfig};
//!
//! let device = dress_core::device::parse("auto")?;
//! let model = AnyModel::load("SmolLM2-135M-Instruct".as_ref(), &LoadConfig::default(), &device)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod any_model;
pub mod blocks;
pub mod checkpoint;
mod config_json;
mod error;
pub mod generation;
pub mod gguf;
#[cfg(feature = "hub")]
pub mod hub;
mod layer_widths;
pub mod llama;
pub mod opt;
mod parts;
pub mod phi;
mod shape;

pub use any_model::AnyModel;
pub use checkpoint::{FloatType, LoadConfig, SaveConfig, SaveReport};
pub use error::Error;
mod slots;
pub use layer_widths::LayerWidths;
pub use parts::CheckpointParts;
