//! Layer normalization.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};

/// `(x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias`, its statistics in f32 whatever the model's
/// type (Ba et al. 2016, arXiv 1607.06450).
///
/// Burn's own `LayerNorm` calls its gain and offset `gamma` and `beta`; this one has the checkpoints'
/// names for them.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// The gain. `[hidden_size]`
    pub weight: Param<Tensor<1>>,
    /// The offset. `[hidden_size]`
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A norm of `width` channels with gains of one and offsets of zero, allocated when first used.
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        let ones = move |device: &Device, train: bool| Tensor::ones([width], device).set_require_grad(train);
        let zeros =
            move |device: &Device, train: bool| Tensor::zeros([width], device).set_require_grad(train);
        let weight = Param::uninitialized(ParamId::new(), ones, device.clone(), true, [width].into());
        let bias = Param::uninitialized(ParamId::new(), zeros, device.clone(), true, [width].into());
        Self { weight, bias, epsilon }
    }

    /// Normalizes the last dimension.
    ///
    /// # Shapes
    /// - `input`: `[batch, seq, hidden_size]`, returned likewise
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let dtype = input.dtype();
        let wide = input.cast(DType::F32);
        let centred = wide.clone() - wide.mean_dim(2);
        let variance = (centred.clone() * centred.clone()).mean_dim(2);
        let normal = centred / (variance + self.epsilon).sqrt();
        normal.cast(dtype) * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }

    /// Sets what is added to the variance.
    pub fn set_epsilon(&mut self, epsilon: f64) {
        self.epsilon = epsilon;
    }
}
