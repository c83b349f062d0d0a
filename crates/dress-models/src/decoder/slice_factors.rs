//! What slicing multiplies beside the gains of identity E2.

use super::{DecoderConfig, HeadNorms, NormPlaces};
use dress_core::{Axis, AxisSelection, Selection};
use std::collections::BTreeMap;

/// By what whole parameters are multiplied.
///
/// All norms have one epsilon, which grows by `d / d'` where the width is sliced, as identity E2 wants it of the norms over
/// the stream. What another norm is over gets longer by `sqrt(d / d')` to make up for it: queries and keys, where they
/// are normalized. A norm behind a projection is over the stream's channels as well, and its gains, which write the
/// stream, grow as those of the others do.
///
/// A norm over all heads runs over fewer of them where heads go. Its epsilon stays, so that queries and keys get shorter by
/// `sqrt(n' / n)`, and its gains make up for that.
pub(super) fn slice_factors(config: &DecoderConfig, selection: &Selection) -> BTreeMap<String, f64> {
    let mut factors = BTreeMap::new();
    let stretch = |chosen: &AxisSelection| (chosen.len() as f64 / chosen.kept_len() as f64).sqrt();
    let of_width = selection.get(Axis::Residual).map_or(1.0, stretch);
    for layer in 0..config.num_hidden_layers {
        let mut multiply = |part: &str, factor: f64| {
            if factor != 1.0 {
                factors.insert(format!("model.layers.{layer}.{part}"), factor);
            }
        };
        let of_heads = match config.family.head_norms {
            HeadNorms::None => 1.0,
            HeadNorms::Each => of_width,
            HeadNorms::All => of_width / selection.get(Axis::Heads { layer }).map_or(1.0, stretch),
        };
        for projection in ["self_attn.q_proj", "self_attn.k_proj"] {
            multiply(&format!("{projection}.weight"), of_heads);
            if config.biases.heads {
                multiply(&format!("{projection}.bias"), of_heads);
            }
        }
        if config.family.norms == NormPlaces::Behind {
            multiply("post_attention_layernorm.weight", of_width);
            multiply("post_feedforward_layernorm.weight", of_width);
        }
    }
    factors
}
