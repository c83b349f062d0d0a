//! Layers that go as a whole, apart from everything else that goes.

use crate::Error;
use dress_core::{
    Axis, AxisSlots, CausalLm, CouplingMap, Part, Selection, Slot, layer_writers, only_adds, parameters,
};
use std::collections::HashSet;

/// What goes of a model: layers by what they write, and the structures of all other axes outside of these
/// layers.
///
/// A layer adds nothing where everything that writes the residual stream in it is zero, so that nothing else
/// of it has to be.
pub(crate) struct RemovedLayers {
    /// The numbers of the layers.
    pub numbers: Vec<usize>,
    /// The slots by which they write the residual stream.
    pub writers: Vec<Slot>,
    /// The channels of the residual stream.
    pub width: usize,
    /// The names of all parameters of these layers.
    pub parameters: HashSet<String>,
    /// The coupling map without the slots of these layers.
    pub map: CouplingMap,
    /// What goes of the axes in that map.
    pub structures: Selection,
}

impl RemovedLayers {
    /// Takes apart what `selection` removes of `model`. The structures have to be the last of their axes.
    ///
    /// # Errors
    /// [`Error::LayerDoesMoreThanAdd`], [`Error::NotPermuted`], and those of [`Selection::check`].
    pub fn of<M: CausalLm>(model: &M, selection: &Selection) -> Result<Self, Error> {
        let map = model.coupling();
        selection.check(&map)?;
        let numbers = selection.removed_layers().to_vec();
        if let Some(&layer) = numbers.iter().find(|&&layer| !only_adds(model, &map, layer)) {
            return Err(Error::LayerDoesMoreThanAdd { layer });
        }
        let parameters = parameters_of(model, &numbers);
        let writers = numbers.iter().flat_map(|&layer| layer_writers(model, &map, layer)).cloned().collect();
        let width = map.axis(Axis::Residual).map_or(0, |residual| residual.len);
        let structures = structures(selection)?;
        Ok(Self { numbers, writers, width, map: without(map, &parameters), parameters, structures })
    }
}

/// The names of all parameters of `layers`.
fn parameters_of<M: CausalLm>(model: &M, layers: &[usize]) -> HashSet<String> {
    if layers.is_empty() {
        return HashSet::new();
    }
    let names = parameters::list(model).into_iter().map(|parameter| parameter.name);
    names.filter(|name| layers.iter().any(|&layer| model.is_in_part(name, Part::Layer(layer)))).collect()
}

/// `map` without the slots of `parameters`.
fn without(map: CouplingMap, parameters: &HashSet<String>) -> CouplingMap {
    if parameters.is_empty() {
        return map;
    }
    map.iter().fold(CouplingMap::new(), |left, (axis, slots)| {
        let outside = slots.slots.iter().filter(|slot| !parameters.contains(&slot.parameter));
        left.with(axis, AxisSlots { slots: outside.cloned().collect(), ..slots.clone() })
    })
}

/// What `selection` removes beside whole layers.
fn structures(selection: &Selection) -> Result<Selection, Error> {
    let outside = selection.outside_removed_layers();
    let mut structures = Selection::new();
    for (axis, chosen) in outside.iter().filter(|(axis, _)| *axis != Axis::Depth) {
        if *chosen != chosen.permuted() {
            return Err(Error::NotPermuted { axis: axis.to_string() });
        }
        structures = structures.with(axis, chosen.clone());
    }
    Ok(structures)
}
