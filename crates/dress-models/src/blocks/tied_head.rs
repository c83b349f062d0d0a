//! A head that is the embedding.

use burn::module::Param;
use burn::nn::{Embedding, Linear};
use burn::tensor::Tensor;

/// The logits of a head that is the embedding. As one product of two matrices, in which backends
/// read the embedding transposed without a copy.
///
/// # Shapes
/// - `hidden`: `[batch, seq, width]`, `embedding`: `[vocab_size, width]`; returns `[batch, seq, vocab_size]`
pub fn tied_head(hidden: Tensor<3>, embedding: Tensor<2>) -> Tensor<3> {
    let [batch, seq, width] = hidden.dims();
    let vocab_size = embedding.dims()[0];
    let logits = hidden.reshape([batch * seq, width]).matmul(embedding.transpose());
    logits.reshape([batch, seq, vocab_size])
}

/// A head of its own that starts as the embedding's.
pub fn untied_head(embedding: &Embedding) -> Linear {
    let weight = embedding.weight.val().detach().swap_dims(0, 1);
    Linear { weight: Param::from_tensor(weight), bias: None }
}
