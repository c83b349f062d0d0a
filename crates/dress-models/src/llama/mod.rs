//! LLaMA-2, LLaMA-3 and every other checkpoint whose architecture is `LlamaForCausalLM`.

mod config;
mod coupling;
mod model;

pub use config::LlamaConfig;
pub use model::{LlamaDecoderLayer, LlamaForCausalLm, LlamaModel};
