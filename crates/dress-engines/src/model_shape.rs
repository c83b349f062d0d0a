//! What engines look at in a model: the names and sizes of its parameters.

use dress_core::parameters::{self, ParameterInfo};
use dress_core::{Axis, AxisKind, CausalLm, CouplingMap, Role, Selection};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The shape of a model, or of what slicing leaves of it. The model need not have its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShape {
    architecture: String,
    width: Option<usize>,
    head_dim: Option<usize>,
    query_heads_a_group: usize,
    layers: Vec<LayerShape>,
    pub(crate) weights: Vec<Weight>,
    stored: usize,
    rope_parameters_alone: bool,
}

/// The sizes of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LayerShape {
    neurons: usize,
    groups: usize,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weight {
    pub name: Arc<str>,
    pub layer: Option<usize>,
    /// Whether it is an embedding that is the head as well.
    pub tied: bool,
    pub dims: Vec<Dim>,
}

/// A dimension, and the axis it lies on with the indices that a structure of it owns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Dim {
    pub len: usize,
    pub on: Option<(Axis, usize)>,
}

impl Weight {
    /// The length of a row.
    pub fn row(&self) -> usize {
        self.dims.last().map_or(1, |dim| dim.len)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.dims.iter().rev().skip(1).map(|dim| dim.len).product()
    }

    /// The kind of axis that rows lie along, with the indices that a structure of it owns.
    pub fn rows_along(&self) -> Option<(AxisKind, usize)> {
        let (axis, block) = self.dims.last().filter(|_| self.dims.len() > 1)?.on?;
        Some((axis.kind(), block))
    }
}

impl ModelShape {
    /// The shape of `model`, which need not have its weights. Numbers are taken to be stored in 2 bytes
    /// ([`ModelShape::stored_in`]).
    pub fn of<M: CausalLm>(model: &M) -> Self {
        let map = model.coupling();
        let len = |axis| map.axis(axis).map_or(0, |slots| slots.len);
        let layer =
            |layer| LayerShape { neurons: len(Axis::Ffn { layer }), groups: len(Axis::Heads { layer }) };
        let (head_dim, query_heads_a_group) = heads(&map);
        Self {
            architecture: model.architecture().into(),
            width: map.axis(Axis::Residual).ok().map(|slots| slots.len),
            head_dim,
            query_heads_a_group,
            layers: (0..model.num_layers()).map(layer).collect(),
            weights: weights(&parameters::list(model), &map),
            stored: 2,
            rope_parameters_alone: false,
        }
    }

    /// The same where a number of the checkpoint has so many bytes.
    #[must_use]
    pub fn stored_in(self, bytes: usize) -> Self {
        Self { stored: bytes, ..self }
    }

    /// The same of a checkpoint whose `config.json` says rotary settings in `rope_parameters` alone, or does
    /// not.
    #[must_use]
    pub fn with_rope_parameters_alone(self, alone: bool) -> Self {
        Self { rope_parameters_alone: alone, ..self }
    }

    /// What `selection` leaves.
    #[must_use]
    pub fn sliced(&self, selection: &Selection) -> Self {
        let left = |axis: Axis, len: usize| selection.get(axis).map_or(len, |chosen| chosen.kept_len());
        self.resized(left, selection.get(Axis::Depth).map_or(&[][..], |depth| depth.removed()))
    }

    /// What is left without so many structures of each of these axes, whichever they are. Of layers none
    /// goes.
    #[must_use]
    pub fn without(&self, gone: &BTreeMap<Axis, usize>) -> Self {
        self.resized(|axis, len| len - gone.get(&axis).copied().unwrap_or(0), &[])
    }

    /// The parameters that lie on one axis alone, of a model that has as many layers.
    #[must_use]
    pub fn along(&self, axis: Axis) -> Self {
        let lies = |weight: &&Weight| weight.dims.iter().any(|dim| dim.on.is_some_and(|(on, _)| on == axis));
        let weights = self.weights.iter().filter(lies).cloned().collect();
        Self { architecture: self.architecture.clone(), layers: self.layers.clone(), weights, ..*self }
    }

    fn resized(&self, left: impl Fn(Axis, usize) -> usize, gone: &[usize]) -> Self {
        let kept: Vec<usize> =
            (0..self.layers.len()).filter(|layer| gone.binary_search(layer).is_err()).collect();
        let layer = |&layer: &usize| LayerShape {
            neurons: left(Axis::Ffn { layer }, self.layers[layer].neurons),
            groups: left(Axis::Heads { layer }, self.layers[layer].groups),
        };
        let dim = |dim: &Dim| {
            let len = dim.on.map_or(dim.len, |(axis, block)| left(axis, dim.len / block) * block);
            Dim { len, on: dim.on }
        };
        let weight = |weight: &Weight| {
            let layer = match weight.layer {
                Some(layer) => Some(kept.binary_search(&layer).ok()?),
                None => None,
            };
            let dims = weight.dims.iter().map(dim).collect();
            Some(Weight { name: weight.name.clone(), layer, tied: weight.tied, dims })
        };
        Self {
            architecture: self.architecture.clone(),
            width: self.width.map(|width| left(Axis::Residual, width)),
            layers: kept.iter().map(layer).collect(),
            weights: self.weights.iter().filter_map(weight).collect(),
            ..*self
        }
    }

    /// The name in `config.json`'s `architectures`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The width of the residual stream, where the model can be sliced along it.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// The width of a head, where the model has heads that can go.
    pub fn head_dim(&self) -> Option<usize> {
        self.head_dim
    }

    /// How many layers there are.
    pub fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// Bytes that a number has in the checkpoint.
    pub(crate) fn stored(&self) -> usize {
        self.stored
    }

    pub(crate) fn has_rope_parameters_alone(&self) -> bool {
        self.rope_parameters_alone
    }

    /// The names of all parameters.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.weights.iter().map(|weight| &*weight.name)
    }

    /// Query heads that share a key/value head.
    pub(crate) fn query_heads_a_group(&self) -> usize {
        self.query_heads_a_group
    }

    /// The query heads of the layer that has the most, which is what a configuration says.
    pub(crate) fn most_query_heads(&self) -> usize {
        let groups = self.layers.iter().map(|layer| layer.groups).max();
        (groups.unwrap_or(0) * self.query_heads_a_group).max(1)
    }

    /// The neurons of every layer.
    pub(crate) fn neurons(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.neurons).collect()
    }

    /// Whether all layers have the same sizes.
    pub fn layers_are_alike(&self) -> bool {
        self.layers.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Whether all layers have the same heads.
    pub(crate) fn heads_are_alike(&self) -> bool {
        self.layers.windows(2).all(|pair| pair[0].groups == pair[1].groups)
    }
}

/// The width of a head, and how many query heads share a key/value head: a structure of the heads owns one
/// head of keys, and of what reads the heads as much as its query heads write.
fn heads(map: &CouplingMap) -> (Option<usize>, usize) {
    let Ok(slots) = map.axis(Axis::Heads { layer: 0 }) else { return (None, 1) };
    let head_dim = slots.slots.iter().map(|slot| slot.block).min();
    let read = slots.slots.iter().filter(|slot| slot.role == Role::Reads).map(|slot| slot.block).max();
    let (Some(head_dim), Some(read)) = (head_dim, read) else { return (None, 1) };
    (Some(head_dim), (read / head_dim.max(1)).max(1))
}

fn weights(list: &[ParameterInfo], map: &CouplingMap) -> Vec<Weight> {
    let mut places: BTreeMap<(&str, usize), (Axis, usize)> = BTreeMap::new();
    let mut tied = Vec::new();
    for (axis, slots) in map.iter() {
        for slot in &slots.slots {
            places.insert((&slot.parameter, slot.dim), (axis, slot.block));
            if slot.tied {
                tied.push(&*slot.parameter);
            }
        }
    }
    let weight = |info: &ParameterInfo| {
        let dim = |(dim, &len)| Dim { len, on: places.get(&(info.name.as_str(), dim)).copied() };
        Weight {
            name: info.name.as_str().into(),
            layer: parameters::layer_of(&info.name),
            tied: tied.contains(&info.name.as_str()),
            dims: info.shape.iter().enumerate().map(dim).collect(),
        }
    };
    list.iter().map(weight).collect()
}
