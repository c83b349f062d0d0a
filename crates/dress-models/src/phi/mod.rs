//! Phi-1, Phi-1.5 and Phi-2 (arXiv 2309.05463).

mod config;
mod model;

pub use config::{Phi, PhiConfig};
pub use model::{PhiAttention, PhiDecoderLayer, PhiForCausalLm, PhiModel};
