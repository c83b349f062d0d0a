//! A head that is the embedding.

use burn::module::Param;
use burn::nn::{Embedding, Linear, LinearConfig};
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

/// A head of its own that starts as the embedding's, or that is only declared where the embedding is.
pub fn untied_head(embedding: &Embedding) -> Linear {
    if !embedding.weight.is_initialized() {
        let [vocab_size, width] = embedding.weight.lazy_shape().dims();
        let head = LinearConfig::new(width, vocab_size).with_bias(false);
        return head.init(&embedding.weight.lazy_device());
    }
    let weight = embedding.weight.val().detach().swap_dims(0, 1);
    Linear { weight: Param::from_tensor(weight), bias: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::EmbeddingConfig;

    #[test]
    fn the_head_of_an_embedding_without_numbers_has_none_either() {
        let embedding = EmbeddingConfig::new(7, 4).init(&Default::default());
        let head = untied_head(&embedding);
        assert!(!head.weight.is_initialized() && !embedding.weight.is_initialized());
        assert_eq!(head.weight.lazy_shape().as_slice(), [4, 7]);
    }
}
