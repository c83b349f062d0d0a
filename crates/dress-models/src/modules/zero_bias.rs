//! Biases for projections that were trained without.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{DType, Tensor};

/// Gives a projection a bias of zero in its weight's type, unless it has one. The weight need not be there
/// yet.
pub(crate) fn with_zero_bias(linear: &mut Linear) {
    if linear.bias.is_some() {
        return;
    }
    let weight = &linear.weight;
    let [_, outputs] = weight.lazy_shape().dims();
    let dtype = if weight.is_initialized() { weight.base().dtype() } else { DType::F32 };
    linear.bias = Some(Param::from_tensor(Tensor::zeros([outputs], (&weight.lazy_device(), dtype))));
}
