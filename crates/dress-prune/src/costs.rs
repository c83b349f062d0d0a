//! What of a model counts towards a budget.

use crate::Measure;
use crate::gone::Gone;
use crate::served_bytes::ServedBytes;
use dress_core::parameters::{self, ParameterInfo};
use dress_core::{Axis, CausalLm};
use dress_engines::EngineFormat;
use std::collections::{BTreeMap, BTreeSet};

/// What of a model counts.
pub(crate) enum Costs {
    /// So much for every number of a parameter.
    Numbers(Numbers),
    /// Bytes as engines serve them.
    Served(ServedBytes),
}

impl Costs {
    /// What `model`, which need not have its weights, has of `measure`.
    pub fn new<M: CausalLm>(model: &M, measure: Measure) -> Self {
        Self::Numbers(Numbers::new(model, measure))
    }

    /// The same where these formats, if there are any, serve what is left: bytes are then those that they
    /// serve.
    pub fn as_served<M: CausalLm>(model: &M, measure: Measure, formats: &[EngineFormat]) -> Self {
        match measure {
            Measure::Bytes if !formats.is_empty() => Self::Served(ServedBytes::new(model, formats)),
            _ => Self::new(model, measure),
        }
    }

    /// What the whole model has.
    pub fn whole(&self) -> f64 {
        self.left(&Gone::new())
    }

    /// What is left where that many structures are gone. Of whole layers, each counts as the mean one.
    pub fn left(&self, gone: &Gone) -> f64 {
        match self {
            Self::Numbers(numbers) => numbers.left(gone),
            Self::Served(bytes) => bytes.left(gone),
        }
    }

    /// How much less is left without so many structures of one axis; of neurons and heads it adds up.
    pub fn saved(&self, axis: Axis, gone: usize) -> f64 {
        match self {
            Self::Numbers(_) => self.whole() - self.left(&Gone::from([(axis, gone)])),
            Self::Served(bytes) => bytes.saved(axis, gone),
        }
    }
}

/// What of a model counts by its numbers.
pub(crate) struct Numbers {
    parameters: Vec<Counted>,
    /// What a layer counts, whatever its width.
    of_a_layer: f64,
    /// How many layers there are.
    layers: usize,
}

/// One parameter: what an element counts, and its dimensions.
struct Counted {
    element: f64,
    in_layer: bool,
    dims: Vec<Dim>,
}

/// A dimension, and the axis it lies on with the indices that a structure of it owns.
struct Dim {
    len: usize,
    on: Option<(Axis, usize)>,
}

impl Numbers {
    fn new<M: CausalLm>(model: &M, measure: Measure) -> Self {
        let map = model.coupling();
        let mut places: BTreeMap<(&str, usize), (Axis, usize)> = BTreeMap::new();
        let list = parameters::list(model);
        let multiplied: BTreeSet<&str> =
            map.multiplied(&list).into_iter().map(|matrix| matrix.name.as_str()).collect();
        for (axis, slots) in map.iter() {
            for slot in &slots.slots {
                places.insert((&slot.parameter, slot.dim), (axis, slot.block));
            }
        }
        let element = |info: &ParameterInfo| match measure {
            Measure::Parameters => 1.0,
            Measure::Bytes => info.dtype.size() as f64,
            Measure::Macs | Measure::Latency(_) if !multiplied.contains(info.name.as_str()) => 0.0,
            Measure::Macs => 1.0,
            Measure::Latency(costs) if parameters::layer_of(&info.name).is_some() => costs.in_layers,
            Measure::Latency(costs) => costs.outside,
        };
        let of_a_layer = if let Measure::Latency(costs) = measure { costs.per_layer } else { 0.0 };
        let counted = |info: &ParameterInfo| Counted {
            element: element(info),
            in_layer: parameters::layer_of(&info.name).is_some(),
            dims: (info.shape.iter().enumerate())
                .map(|(dim, &len)| Dim { len, on: places.get(&(info.name.as_str(), dim)).copied() })
                .collect(),
        };
        let parameters = list.iter().map(counted).collect();
        Self { parameters, of_a_layer, layers: model.num_layers() }
    }

    fn left(&self, gone: &Gone) -> f64 {
        let of_axis = |axis| gone.get(&axis).copied().unwrap_or(0);
        let left = (self.layers - of_axis(Axis::Depth)) as f64;
        let layers = left / self.layers as f64;
        let of = |parameter: &Counted| {
            let lengths = (parameter.dims.iter())
                .map(|dim| dim.len - dim.on.map_or(0, |(axis, block)| of_axis(axis) * block));
            let elements = lengths.product::<usize>() as f64 * parameter.element;
            if parameter.in_layer { elements * layers } else { elements }
        };
        self.parameters.iter().map(of).sum::<f64>() + self.of_a_layer * left
    }
}
