//! Of what sizes have to be multiples to be taken in full.

use crate::model_shape::Weight;
use crate::{EngineFormat, ModelShape, WeightType};
use dress_core::AxisKind;

/// What types the weights behind a size have to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Those that the format has for them.
    InFull,
    /// Those, or the ones that the weights of the model as it is get.
    AsTheyAre,
    /// Those, or quantized ones that take their place, whatever the weights of the model as it is get.
    Quantized,
}

impl EngineFormat {
    /// Of what the kept count of a kind of axis has to be a multiple for every weight whose rows lie along it
    /// to get the type that is demanded. `shape` is that of the model as it is.
    pub fn step(&self, shape: &ModelShape, kind: AxisKind, demand: Demand) -> usize {
        let along = shape.weights.iter().filter_map(|weight| Some((weight, weight.rows_along()?)));
        let of_kind = along.filter(|(_, (along, _))| *along == kind);
        let step = |weight, block: usize| {
            let multiple = self.multiple(weight, shape, demand);
            multiple / greatest_common_divisor(multiple, block)
        };
        of_kind.map(|(weight, (_, block))| step(weight, block)).fold(1, least_common_multiple)
    }

    /// Of what the length of a weight's rows has to be a multiple.
    fn multiple(&self, weight: &Weight, shape: &ModelShape, demand: Demand) -> usize {
        let wanted = self.format().wanted(weight, shape);
        let mut types = self.engine().types_from(wanted).map(|(_, weight_type)| weight_type);
        match (demand, self.found(weight, shape).1) {
            (Demand::AsTheyAre, Some(found)) => found.weight_type.multiple(),
            (Demand::InFull | Demand::AsTheyAre, _) => types.next().map_or(1, WeightType::multiple),
            (Demand::Quantized, _) => {
                let quantized = types.filter(|weight_type| weight_type.is_quantized());
                quantized.map(WeightType::multiple).min().unwrap_or(1)
            }
        }
    }

    /// Of what the kept count of a kind of axis has to be a multiple besides, where layers differ.
    pub fn step_where_layers_differ(&self, shape: &ModelShape, kind: AxisKind) -> usize {
        let architecture = self.engine().architectures.get(shape.architecture());
        match architecture.and_then(|architecture| architecture.layers.as_ref()) {
            Some(layers) if kind == AxisKind::Ffn => layers.neurons,
            _ => 1,
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    x
}

/// The least number that both divide.
pub fn least_common_multiple(a: usize, b: usize) -> usize {
    a / greatest_common_divisor(a, b) * b
}
