//! What a layer adds to the residual stream.

use crate::{Axis, CausalLm, CouplingMap, Normalization, Part, Role, Slot};

/// The slots by which layer `layer` of `model` writes the residual stream: the output projections of its
/// attention and of its feed-forward network, with their biases where there are any. `map` is the coupling
/// map of `model`.
///
/// A family that normalizes what a layer adds before it is added has the gains of that norm among them: the
/// norm undoes whatever scale the projection in front of it has, until the projection is zero. Gains that are
/// filed as one less than they are write nothing where they are -1 ([`Slot::plus_one`]).
pub fn layer_writers<'a, M: CausalLm>(model: &M, map: &'a CouplingMap, layer: usize) -> Vec<&'a Slot> {
    let slots = map.axis(Axis::Residual).map_or(&[][..], |residual| &residual.slots);
    let writes =
        |slot: &&Slot| slot.role == Role::Writes && model.is_in_part(&slot.parameter, Part::Layer(layer));
    slots.iter().filter(writes).collect()
}

/// Whether layer `layer` of `model` leaves the residual stream as it is where its [`layer_writers`] write
/// nothing, so that taking it out then changes nothing (identity [E5]). It does not where norms are on the
/// stream itself ([`Normalization::PostLayer`]), and it is not known to where the coupling map names no
/// writers.
///
/// [E5]: crate::identities#e5
pub fn only_adds<M: CausalLm>(model: &M, map: &CouplingMap, layer: usize) -> bool {
    let normalization = map.axis(Axis::Residual).ok().and_then(|residual| residual.normalization);
    normalization != Some(Normalization::PostLayer) && !layer_writers(model, map, layer).is_empty()
}
