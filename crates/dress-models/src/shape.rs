//! Shapes that a `config.json` can say.

use crate::LayerWidths;
use dress_core::{Axis, AxisSlots, Error, MultipleOf, Selection, StockTarget};

/// The axis of whole layers. It has no slots: what goes is not a part of a parameter.
pub(crate) fn depth(layers: usize) -> AxisSlots {
    AxisSlots { len: layers, multiple_of: MultipleOf::ONE, normalization: None, slots: Vec::new() }
}

/// What there is one of a layer, of the layers that stay.
pub(crate) fn kept_layers<T>(layers: Vec<T>, selection: &Selection) -> Vec<T> {
    let Some(depth) = selection.get(Axis::Depth) else { return layers };
    let kept = depth.kept();
    let numbered = layers.into_iter().enumerate();
    numbered.filter(|(layer, _)| kept.binary_search(layer).is_ok()).map(|(_, layer)| layer).collect()
}

/// Takes layers and widths to what `selection` leaves: the most neurons of a layer, the most key/value heads,
/// and the number of layers.
pub(crate) fn resize<T>(widths: &mut LayerWidths, layers: &mut Vec<T>, selection: &Selection) -> [usize; 3] {
    *widths = widths.resized(selection);
    *layers = kept_layers(std::mem::take(layers), selection);
    let (neurons, heads) = widths.largest();
    [neurons, heads, layers.len()]
}

/// Checks the rule of loaders that take the width of a head from the width of the stream: the one is
/// the other divided by the number of heads.
///
/// # Errors
/// [`Error::Shape`] with the nearest shapes that keep it.
pub(crate) fn check_width_is_heads(
    architecture: &str,
    target: StockTarget,
    [width, heads, head_dim]: [usize; 3],
    who: &str,
) -> Result<(), Error> {
    if width == heads * head_dim || target == StockTarget::Dress {
        return Ok(());
    }
    let (below, above) = (width / head_dim, width.div_ceil(head_dim));
    let nearest = match below {
        0 => format!("{head_dim} with 1 head"),
        _ if below == above => format!("{width} with {below} heads"),
        _ => format!("{} with {below} heads and {} with {above}", below * head_dim, above * head_dim),
    };
    Err(Error::Shape {
        architecture: architecture.into(),
        reason: format!(
            "hidden_size {width} is not {heads} heads of {head_dim}, and {who} takes a head's width from \
             hidden_size / num_attention_heads; remove the same share of `residual` and `heads` (the \
             nearest shapes that fit: {nearest}, or {} for {heads} heads)",
            heads * head_dim
        ),
    })
}
