//! A stream whose mean is taken out where channels of it go.

use dress_core::{Axis, CausalLm, Selection};
use dress_regularize::centre;

/// `model` with its stream centred, where the width of a stream read by layer norms is to go ([E3]).
///
/// [E3]: dress_core::identities#e3
pub(crate) fn centre_for<M: CausalLm>(model: M, selection: &Selection) -> M {
    if selection.get(Axis::Residual).is_some() { centre(model) } else { model }
}
