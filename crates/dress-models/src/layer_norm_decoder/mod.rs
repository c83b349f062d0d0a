//! The decoder of Phi and GPT-NeoX: layer norms with biases, a feed-forward network of two projections, heads
//! of which a share is rotated, and a head that is not the embedding.
//!
//! Configuration, coupling map and the parts that a model is made of are the same code for every
//! [`LayerNormFamily`]. A family says which keys its configurations have and what its checkpoints call the
//! parts, and has the modules of those names.

mod config;
mod config_file;
mod coupling;
mod family;
mod parts;
mod stock;

pub use config::LayerNormConfig;
pub use family::{LayerNormFamily, PartNames};
