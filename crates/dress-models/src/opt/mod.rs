//! OPT, 125M to 66B, the post-norm 350M with its projections included (arXiv 2205.01068).

mod config;
mod coupling;
mod model;

pub use config::OptConfig;
pub use model::{OptAttention, OptDecoder, OptDecoderLayer, OptForCausalLm, OptModel};
