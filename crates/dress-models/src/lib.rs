//! Model families for DReSS, in Burn.
//!
//! [`Checkpoint::open`] finds a checkpoint and has everything that is read from one. A family is a config, a
//! thin composition of the shared [`modules`] and a coupling map: see [`decoder`] (LLaMA and the families
//! that are built like it), [`gpt_neox`] and [`phi`] (which share [`layer_norm_decoder`]), and [`opt`].
//! [`AnyModel`] picks the family from `config.json`, [`checkpoint`] reads and writes Hugging Face
//! directories, and [`generation`] continues a text. A family that is not here implements [`Family`] in a
//! crate of its own, and is read, rewritten and saved alike.
//!
//! ```
//! use dress_models::generation::{GenerationConfig, Sampling, generate};
//! use dress_models::{AnyModel, LoadConfig};
//!
//! let device = dress_machine::device::parse("cpu")?;
//! let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
//! let model = AnyModel::load(directory.as_ref(), &LoadConfig::default(), &device)?;
//! let config = GenerationConfig { max_new_tokens: 4, sampling: Sampling::Greedy, stop: Vec::new() };
//! assert_eq!(generate(&model, &[1, 2, 3], &config, |_| ())?.len(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod any_model;
pub mod checkpoint;
mod config_json;
pub mod decoder;
mod end_tokens;
mod error;
mod experts;
mod family;
mod foreign_keys;
pub mod generation;
mod generation_error;
pub mod gguf;
pub mod gpt_neox;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "hub")]
mod hub_cache;
pub mod layer_norm_decoder;
mod layer_widths;
mod mlx_nas;
pub mod modules;
mod name_lists;
mod open_checkpoint;
pub mod opt;
mod part_of_parameter;
mod parts;
pub mod phi;
mod published_name;
mod rope_config;
mod rope_keys_written;
mod shape;
mod slots;

pub use any_model::AnyModel;
pub use checkpoint::{FloatType, LoadConfig, SaveConfig, SaveReport};
pub use config_json::{ConfigJson, Unsupported};
pub use end_tokens::end_tokens;
pub use error::Error;
pub use family::{DeclaredHead, Family, FusedTensor, TensorNames};
pub use generation_error::GenerationError;
pub use layer_widths::LayerWidths;
pub use mlx_nas::export_mlx_nas;
pub use open_checkpoint::Checkpoint;
pub use parts::CheckpointParts;
pub use published_name::published_name;
pub use rope_config::in_rope_parameters_alone;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
