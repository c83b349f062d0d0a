//! The decoder of LLaMA and of the families that are built like it: attention, then a gated feed-forward
//! network, each behind a root-mean-square norm.
//!
//! What differs between the families is data. Each has a file here with its [`FamilyRules`]: what a key that
//! is missing means, which biases and norms its projections have, which layers see a window of the text
//! alone, and what its stock configuration can say.
//!
//! Imports point one way: types and the reading of single keys are at the bottom, the families' files above
//! them, then the list of families, and what reads a whole `config.json` on top.

mod biases;
mod config;
mod config_file;
mod coupling;
mod families;
mod fused;
mod gemma;
mod granite;
mod keys;
mod layer;
mod layer_types;
mod llama;
mod mistral;
mod model;
mod multipliers;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod rotary_by_kind;
mod rotary_keys;
mod rule_parts;
mod slice_factors;
mod smollm3;
mod stock;
mod usual_rules;

pub use biases::Biases;
pub use config::{DecoderConfig, FamilyRules};
pub(crate) use families::FAMILIES;
pub use layer::DecoderLayer;
pub use model::{DecoderForCausalLm, DecoderModel};
pub use multipliers::{Multipliers, SoftCaps};
pub use rule_parts::{HeadNorms, NormPlaces};
