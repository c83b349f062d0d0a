//! What the weights of a model become in a format, and how many bytes that takes.

use crate::model_shape::Weight;
use crate::{EngineFormat, ModelShape, WeightType};
use serde::Serialize;

/// A model in a format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Served {
    /// Bytes of all weights, a tied head as often as the format writes it.
    pub bytes: u64,
    /// Whether the type that the format has for most matrices takes less than 16 bits a number.
    pub quantized: bool,
    /// Every weight in the model's order.
    pub weights: Vec<ServedWeight>,
}

/// A weight in a format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedWeight {
    /// The parameter's name in the model as it was before slicing.
    pub name: String,
    /// Whether it is a matrix, and no gains or biases.
    pub matrix: bool,
    /// The length of its rows.
    pub row: usize,
    /// The type that the format has for it.
    pub wanted: String,
    /// The type that it gets; none where the engine refuses the model for it.
    pub found: Option<String>,
    /// How many types were tried before: 0 where it is taken in full.
    pub fallbacks: usize,
    /// Whether the type that it gets takes less than 16 bits a number.
    pub quantized: bool,
    /// Its bytes.
    pub bytes: f64,
}

impl Served {
    /// Matrices that a format of quantized weights leaves as they are, by its rules or because of their rows.
    pub fn unquantized(&self) -> impl Iterator<Item = &ServedWeight> {
        let as_it_is = |weight: &&ServedWeight| weight.matrix && !weight.quantized && weight.found.is_some();
        self.weights.iter().filter(|_| self.quantized).filter(as_it_is)
    }

    /// Matrices that get a larger quantized type because of their rows.
    pub fn larger(&self) -> impl Iterator<Item = &ServedWeight> {
        self.weights.iter().filter(|weight| weight.quantized && weight.fallbacks > 0)
    }

    /// Matrices for which the engine refuses the model.
    pub fn refused(&self) -> impl Iterator<Item = &ServedWeight> {
        self.weights.iter().filter(|weight| weight.found.is_none())
    }
}

/// The type that a weight gets: its name, how many were tried before it, and what it is.
pub(crate) struct Found<'a> {
    pub name: &'a str,
    pub fallbacks: usize,
    pub weight_type: &'a WeightType,
}

impl EngineFormat {
    /// What each weight of a model becomes.
    pub fn serve(&self, shape: &ModelShape) -> Served {
        let weights: Vec<ServedWeight> =
            shape.weights.iter().map(|weight| self.served(weight, shape)).collect();
        let heads =
            shape.weights.iter().filter(|weight| weight.tied).map(|weight| self.tied_head(weight, shape));
        let bytes = weights.iter().map(|weight| weight.bytes).chain(heads).sum::<f64>();
        Served { bytes: bytes.round() as u64, quantized: self.is_quantized(), weights }
    }

    /// Bytes of all weights.
    pub fn bytes(&self, shape: &ModelShape) -> u64 {
        let bytes = |weight: &Weight| {
            let (_, found) = self.found(weight, shape);
            let own = found.map_or(0.0, |found| bytes_of(weight, found.weight_type, shape));
            own + if weight.tied { self.tied_head(weight, shape) } else { 0.0 }
        };
        shape.weights.iter().map(bytes).sum::<f64>().round() as u64
    }

    fn served(&self, weight: &Weight, shape: &ModelShape) -> ServedWeight {
        let (wanted, found) = self.found(weight, shape);
        ServedWeight {
            name: weight.name.to_string(),
            matrix: weight.dims.len() > 1,
            row: weight.row(),
            wanted: wanted.into(),
            fallbacks: found.as_ref().map_or(0, |found| found.fallbacks),
            quantized: found.as_ref().is_some_and(|found| found.weight_type.is_quantized()),
            bytes: found.as_ref().map_or(0.0, |found| bytes_of(weight, found.weight_type, shape)),
            found: found.map(|found| found.name.into()),
        }
    }

    /// The type that the format has for a weight, and the one that it gets.
    pub(crate) fn found<'a>(&'a self, weight: &Weight, shape: &ModelShape) -> (&'a str, Option<Found<'a>>) {
        let wanted = self.format().wanted(weight, shape);
        (wanted, self.first_that_takes(wanted, weight.row()))
    }

    fn first_that_takes(&self, wanted: &str, row: usize) -> Option<Found<'_>> {
        let mut types = self.engine().types_from(wanted).enumerate();
        let (fallbacks, (name, weight_type)) = types.find(|(_, (_, weight_type))| weight_type.takes(row))?;
        Some(Found { name, fallbacks, weight_type })
    }

    /// Bytes of the head that is written beside a tied embedding.
    fn tied_head(&self, weight: &Weight, shape: &ModelShape) -> f64 {
        let Some(wanted) = &self.format().tied_head else { return 0.0 };
        let found = self.first_that_takes(wanted, weight.row());
        found.map_or(0.0, |found| bytes_of(weight, found.weight_type, shape))
    }
}

fn bytes_of(weight: &Weight, weight_type: &WeightType, shape: &ModelShape) -> f64 {
    weight_type.bytes_of(weight.rows(), weight.row(), shape.stored())
}
