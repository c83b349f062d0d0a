//! Telling one model from another.

use crate::parameters::{self, Layout, ParameterVisitor};
use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Numbers of a parameter that a fingerprint looks at: the start of its first row.
const SAMPLE: usize = 64;

/// A short name of one set of weights: SHA-256 over every parameter's Hugging Face name, shape and
/// first numbers, rounded to bf16 so that a checkpoint has the same fingerprint whatever it was
/// loaded as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a model in memory.
    pub fn of<M: Module>(module: &M) -> Self {
        let mut collect = Collect(FingerprintBuilder::default());
        parameters::visit(module, &mut collect);
        collect.0.finish()
    }

    /// Starts the fingerprint of a model that is not in memory.
    pub fn builder() -> FingerprintBuilder {
        FingerprintBuilder::default()
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collects parameters in any order.
#[derive(Debug, Default)]
pub struct FingerprintBuilder {
    parameters: Vec<(String, Vec<u8>)>,
}

impl FingerprintBuilder {
    /// Adds one parameter: its name, its shape in the file, and its numbers in the file's order,
    /// of which only the start of the first row is looked at.
    pub fn add(&mut self, name: &str, shape: &[usize], numbers: impl IntoIterator<Item = f32>) {
        let take = shape.last().copied().unwrap_or(0).min(SAMPLE);
        let mut bytes = format!("{name}{shape:?}").into_bytes();
        let rounded = numbers.into_iter().take(take).map(burn::tensor::bf16::from_f32);
        bytes.extend(rounded.flat_map(|n| n.to_bits().to_le_bytes()));
        self.parameters.push((name.into(), bytes));
    }

    /// The fingerprint of all that was added.
    pub fn finish(mut self) -> Fingerprint {
        self.parameters.sort();
        let mut hash = Sha256::new();
        self.parameters.iter().for_each(|(_, bytes)| hash.update(bytes));
        Fingerprint(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

struct Collect(FingerprintBuilder);

impl ParameterVisitor for Collect {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let value = parameter.val().detach();
        let shape = layout.shape(&value.dims());
        let last = layout.dim(D - 1);
        let mut ranges: [std::ops::Range<usize>; D] = std::array::from_fn(|_| 0..1);
        ranges[last] = 0..value.dims()[last].min(SAMPLE);
        let numbers = value.slice(ranges).cast(DType::F32).into_data();
        self.0.add(name, &shape, numbers.iter::<f32>());
    }
}
