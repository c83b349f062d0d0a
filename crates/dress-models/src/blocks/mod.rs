//! What decoder blocks are made of, each once.

mod attention;
mod gated_mlp;
mod rms_norm;
mod rotary;

pub use attention::{Attention, AttentionConfig};
pub use gated_mlp::{GatedMlp, GatedMlpConfig};
pub use rms_norm::RmsNorm;
pub use rotary::{RopeScaling, Rotary};
