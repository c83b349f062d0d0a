//! A head that is the embedding.

use burn::module::{Param, ParamId};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Shape, Tensor};
use dress_kernels::unembed_few_rows;

/// The logits of a head that is the embedding. As one product of two matrices, in which backends
/// read the embedding transposed without a copy.
///
/// # Shapes
/// - `hidden`: `[batch, seq, width]`, `embedding`: `[vocab_size, width]`; returns `[batch, seq, vocab_size]`
pub fn tied_head(hidden: Tensor<3>, embedding: Tensor<2>) -> Tensor<3> {
    if let Some(logits) = unembed_few_rows(&hidden, &embedding) {
        return logits;
    }
    let [batch, seq, width] = hidden.dims();
    let vocab_size = embedding.dims()[0];
    let logits = hidden.reshape([batch * seq, width]).matmul(embedding.transpose());
    logits.reshape([batch, seq, vocab_size])
}

/// A head of its own that starts as the embedding's, and is not allocated before that is.
pub fn untied_head(embedding: &Embedding) -> Linear {
    let weight = embedding.weight.clone();
    let transposed = |weight: &Param<Tensor<2>>| weight.val().detach().swap_dims(0, 1);
    if weight.is_initialized() {
        return Linear { weight: Param::from_tensor(transposed(&weight)), bias: None };
    }
    let [vocab_size, width] = weight.lazy_shape().dims();
    let device = weight.lazy_device();
    let init = move |_: &Device, tracked: bool| {
        let weight = transposed(&weight);
        if tracked { weight.require_grad() } else { weight }
    };
    let shape = Shape::new([width, vocab_size]);
    Linear { weight: Param::uninitialized(ParamId::new(), init, device, true, shape), bias: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::EmbeddingConfig;

    #[test]
    fn the_head_of_a_declared_embedding_is_declared_and_becomes_the_same() {
        let embedding = EmbeddingConfig::new(7, 4).init(&Device::flex());
        let head = untied_head(&embedding);
        assert!(!embedding.weight.is_initialized() && !head.weight.is_initialized());
        let expected = embedding.weight.val().transpose().into_data();
        head.weight.val().into_data().assert_eq(&expected, true);
    }
}
