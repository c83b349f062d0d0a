//! Linear layers in whichever way is the fastest.

use burn::nn::Linear;
use burn::tensor::Tensor;
use dress_kernels::linears_of_few_rows;

/// What layers with the same input make of it: at once where a few tokens are decoded.
///
/// # Shapes
/// - `input`: `[batch, seq, inputs]`; returns `[batch, seq, outputs]` for each layer
pub fn linears<const N: usize>(layers: [&Linear; N], input: Tensor<3>) -> [Tensor<3>; N] {
    let few = linears_of_few_rows(&input, layers);
    few.unwrap_or_else(|| layers.map(|layer| layer.forward(input.clone())))
}

/// [`linears`] of one layer.
pub fn linear(layer: &Linear, input: Tensor<3>) -> Tensor<3> {
    let [output] = linears([layer], input);
    output
}
