//! What slicing multiplies beside the gains of identity [E2].
//!
//! [E2]: dress_core::identities#e2

use super::{DecoderConfig, HeadNorms};
use dress_core::{Axis, AxisSelection, Selection};
use std::collections::BTreeMap;

/// `sqrt(d / d')` of an axis, one where nothing goes of it.
fn stretch(selection: &Selection, axis: Axis) -> f64 {
    let of = |chosen: &AxisSelection| (chosen.len() as f64 / chosen.kept_len() as f64).sqrt();
    selection.get(axis).map_or(1.0, of)
}

/// By what slicing multiplies the stream. An embedding that is multiplied by the root of the width makes it
/// shorter by `sqrt(d' / d)`; its mean square over fewer channels is what it was.
pub(super) fn of_stream(config: &DecoderConfig, selection: &Selection) -> f64 {
    if config.family.scales_embedding { 1.0 / stretch(selection, Axis::Residual) } else { 1.0 }
}

/// By what whole parameters are multiplied.
///
/// All norms have one epsilon, which grows by `d / d'` where the width is sliced, as identity [E2] wants it
/// of the norms over the stream. What another norm is over gets longer by `sqrt(d / d')` to make up for it:
/// queries and keys, where they are normalized. A norm behind a projection is over the stream's channels as
/// well, and its gains, which write the stream, grow as those of the others do.
///
/// Where the stream gets shorter by `sqrt(d' / d)` instead, the epsilon stays. The projections before a norm
/// that lies behind them get shorter by as much, so that its mean square stays too, and with it what it adds
/// to the channels that stay; its gains get shorter with the stream and longer by identity [E2], which is to
/// say that they stay.
///
/// A norm over all heads runs over fewer of them where heads go. Its epsilon stays, so that queries and keys
/// get shorter by `sqrt(n' / n)`, and its gains make up for that.
///
/// [E2]: dress_core::identities#e2
pub(super) fn slice_factors(config: &DecoderConfig, selection: &Selection) -> BTreeMap<String, f64> {
    let mut factors = BTreeMap::new();
    let of_stream = of_stream(config, selection);
    let of_width = if config.family.scales_embedding { 1.0 } else { stretch(selection, Axis::Residual) };
    for layer in 0..config.num_hidden_layers {
        let mut multiply = |part: &str, factor: f64| {
            if factor != 1.0 {
                factors.insert(format!("model.layers.{layer}.{part}"), factor);
            }
        };
        let of_heads = match config.family.head_norms {
            HeadNorms::None => 1.0,
            HeadNorms::Each => of_width,
            HeadNorms::All => of_width / stretch(selection, Axis::Heads { layer }),
        };
        for projection in ["self_attn.q_proj", "self_attn.k_proj"] {
            multiply(&format!("{projection}.weight"), of_heads);
            if config.biases.heads {
                multiply(&format!("{projection}.bias"), of_heads);
            }
        }
        multiply("self_attn.o_proj.weight", of_stream);
        multiply("mlp.down_proj.weight", of_stream);
        if config.biases.attention_output {
            multiply("self_attn.o_proj.bias", of_stream);
        }
        if config.family.norms.behind() {
            multiply("post_attention_layernorm.weight", of_width);
            multiply("post_feedforward_layernorm.weight", of_width);
        }
    }
    factors
}
