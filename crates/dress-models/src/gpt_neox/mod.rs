//! GPT-NeoX and Pythia (Black et al. 2022, arXiv 2204.06745; Biderman et al. 2023, arXiv 2304.01373): layer
//! norms, attention and feed-forward network side by side or one behind the other, and partial rotation. The
//! query, key and value of one head lie side by side in the rows of one projection, so that a head is one
//! block of it.

mod config;
mod model;

pub use config::{GptNeox, GptNeoxConfig};
pub use model::{GptNeoxAttention, GptNeoxForCausalLm, GptNeoxLayer, GptNeoxMlp, GptNeoxModel};
