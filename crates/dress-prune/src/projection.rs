//! Projections that are read out of a model, changed and put back.

use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{CausalLm, Slot};
use faer::Mat;
use serde::{Deserialize, Serialize};

/// How well a projection was made up for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompensatedProjection {
    /// The parameter.
    pub parameter: String,
    /// The energy of the error of its output over that of its output, with what went left out.
    pub error_without: f64,
    /// The same after the compensation.
    pub error_with: f64,
    /// What was added to the diagonal of the activations' second moments, on average.
    pub damping: f64,
}

/// A projection's weight, an input channel a row, and its bias.
pub(crate) struct Projection {
    pub weight: Mat<f64>,
    pub bias: Option<Vec<f64>>,
}

impl Projection {
    pub fn read<M: CausalLm>(model: &M, slot: &Slot) -> Self {
        let mut read = Read { slot, weight: Mat::zeros(0, 0), bias: None };
        parameters::visit(model, &mut read);
        Self { weight: read.weight, bias: read.bias }
    }
}

/// Whether a projection has a bias.
pub(crate) fn has_bias<M: CausalLm>(model: &M, slot: &Slot) -> bool {
    let bias = bias_name(&slot.parameter);
    parameters::list(model).iter().any(|info| info.name == bias)
}

pub(crate) fn bias_name(weight: &str) -> String {
    weight.strip_suffix(".weight").map_or(String::new(), |stem| format!("{stem}.bias"))
}

struct Read<'a> {
    slot: &'a Slot,
    weight: Mat<f64>,
    bias: Option<Vec<f64>>,
}

impl ParameterVisitor for Read<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let numbers = || parameter.val().without_autodiff().cast(DType::F32);
        if name == self.slot.parameter {
            let rows = parameters::groups(numbers(), layout.dim(self.slot.dim), 1);
            let [inputs, outputs] = rows.dims();
            let rows: Vec<f64> = rows.into_data().iter().collect();
            self.weight = Mat::from_fn(inputs, outputs, |i, j| rows[i * outputs + j]);
        } else if name == bias_name(&self.slot.parameter) {
            self.bias = Some(numbers().into_data().iter().collect());
        }
    }
}

/// Puts a projection back.
pub(crate) struct Write<'a> {
    pub projection: &'a Projection,
    pub slot: &'a Slot,
}

impl ParameterMapper for Write<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let (dims, dtype, device) = (value.dims(), value.dtype(), value.device());
        if name == self.slot.parameter {
            let weight = &self.projection.weight;
            let (inputs, outputs) = (weight.nrows(), weight.ncols());
            let numbers = (0..inputs * outputs).map(|flat| weight[(flat / outputs, flat % outputs)] as f32);
            let data = TensorData::new(numbers.collect(), [inputs, outputs]);
            let rows: Tensor<2> = Tensor::from_data(data, (&device, DType::F32));
            return parameters::ungroup(rows, dims, layout.dim(self.slot.dim)).cast(dtype);
        }
        match &self.projection.bias {
            Some(bias) if name == bias_name(&self.slot.parameter) => {
                let numbers: Vec<f32> = bias.iter().map(|&bias| bias as f32).collect();
                let bias: Tensor<D> =
                    Tensor::from_data(TensorData::new(numbers, dims), (&device, DType::F32));
                bias.cast(dtype)
            }
            _ => value,
        }
    }
}
