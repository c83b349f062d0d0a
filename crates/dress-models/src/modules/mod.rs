//! What decoder layers are made of, each once.

mod attention;
mod gated_mlp;
mod head_by_head;
mod head_loss;
mod layer_norm;
mod linear;
mod mlp;
mod rms_norm;
mod rotary;
mod tied_head;
mod zero_bias;

pub use attention::{Attention, AttentionConfig, HeadNormConfig, Heads};
pub use gated_mlp::{GatedMlp, GatedMlpConfig};
pub use head_by_head::head_by_head;
pub use head_loss::{distilled_head_loss, head_loss};
pub use layer_norm::LayerNorm;
pub use linear::{linear, linears};
pub use mlp::{Activation, Mlp, feed_forward};
pub use rms_norm::RmsNorm;
pub use rotary::{LongRope, RopeScaling, Rotary};
pub use tied_head::{tied_head, untied_head};
pub(crate) use zero_bias::with_zero_bias;
