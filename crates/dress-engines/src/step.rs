//! Of what sizes have to be multiples to be taken in full.

use crate::{EngineFormat, ModelShape, WeightType};
use dress_core::AxisKind;

/// What types the weights behind a size have to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Those that the format has for them.
    InFull,
    /// Those, or the ones that the weights of the model as it is get.
    AsTheyAre,
}

impl EngineFormat {
    /// Of what the kept count of a kind of axis has to be a multiple for every weight whose rows lie along it to get the
    /// type that is demanded. `shape` is that of the model as it is.
    pub fn step(&self, shape: &ModelShape, kind: AxisKind, demand: Demand) -> usize {
        let along = shape.weights.iter().filter_map(|weight| Some((weight, weight.rows_along()?)));
        let of_kind = along.filter(|(_, (along, _))| *along == kind);
        let step = |weight, block: usize| {
            let wanted = self.engine().types_from(self.format().wanted(weight, shape)).next();
            let full = wanted.map_or(1, |(_, weight_type)| weight_type.multiple());
            let (_, found) = self.found(weight, shape);
            let now = found.map_or(full, |found| WeightType::multiple(found.weight_type));
            let multiple = if demand == Demand::InFull { full } else { now };
            multiple / greatest_common_divisor(multiple, block)
        };
        of_kind.map(|(weight, (_, block))| step(weight, block)).fold(1, least_common_multiple)
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
