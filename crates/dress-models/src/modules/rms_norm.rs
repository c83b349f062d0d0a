//! Root-mean-square normalization.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};
use dress_kernels::rms_norm;

/// `x / sqrt(mean(x^2) + epsilon) * weight`, its statistics in f32 whatever the model's type
/// (Zhang and Sennrich 2019, arXiv 1910.07467).
///
/// Burn's own `RmsNorm` calls its gain `gamma`; this one has the checkpoints' name for it.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// The gain. `[hidden_size]`
    pub weight: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    plus_one: bool,
}

impl RmsNorm {
    /// A norm of `width` channels with gains of one, allocated when first used.
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        let ones = move |device: &Device, train: bool| Tensor::ones([width], device).set_require_grad(train);
        let weight = Param::uninitialized(ParamId::new(), ones, device.clone(), true, [width].into());
        Self { weight, epsilon, plus_one: false }
    }

    /// The same multiplying by one more than its gains, which start at zero then, as in Gemma.
    #[must_use]
    pub fn plus_one(self) -> Self {
        let (width, device) = (self.width(), self.weight.lazy_device());
        let zeros =
            move |device: &Device, train: bool| Tensor::zeros([width], device).set_require_grad(train);
        let weight = Param::uninitialized(ParamId::new(), zeros, device, true, [width].into());
        Self { weight, plus_one: true, ..self }
    }

    /// Normalizes the last dimension.
    ///
    /// # Shapes
    /// - `input`: `[batch, seq, width]`, returned likewise
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        // One more in f32: between one and two a narrower type has few numbers, and the gains are small ones.
        let weight = if self.plus_one { self.weight.val().cast(DType::F32) + 1.0 } else { self.weight.val() };
        if let Some(normal) = rms_norm(&input, &weight, self.epsilon) {
            return normal;
        }
        let dtype = input.dtype();
        let wide = input.cast(DType::F32);
        let mean_square = (wide.clone() * wide.clone()).mean_dim(2);
        let normal = wide / (mean_square + self.epsilon).sqrt();
        match self.plus_one {
            true => (normal * weight.unsqueeze()).cast(dtype),
            false => normal.cast(dtype) * weight.unsqueeze(),
        }
    }

    /// How many channels it normalizes.
    pub fn width(&self) -> usize {
        let [width] = self.weight.lazy_shape().dims();
        width
    }

    /// What is added to the mean square before the root.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Sets what is added to the mean square.
    pub fn set_epsilon(&mut self, epsilon: f64) {
        self.epsilon = epsilon;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_a_small_gain_is_not_rounded_away() {
        let device = Device::flex();
        let gain = Tensor::<1>::full([4], 1.0 / 256.0, &device).cast(DType::BF16);
        let mut norm = RmsNorm::new(4, 0.0, &device).plus_one();
        norm.weight = Param::from_tensor(gain);
        let input = Tensor::<3>::from_floats([[[3.0, 1.0, 1.0, 1.0]]], &device).cast(DType::BF16);
        let found: Vec<f32> = norm.forward(input).cast(DType::F32).into_data().iter().collect();
        // The root of 3, which is 222 steps of bf16 there, times 257/256.
        assert_eq!(found[0], 223.0 / 128.0);
    }
}
