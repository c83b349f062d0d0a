//! The loss of a head that ends in one product.

use super::tied_head;
use burn::nn::Linear;
use burn::tensor::{Int, Tensor};
use dress_core::loss_of_logits;
use dress_kernels::{Unembedding, cross_entropy};

/// Mean negative log-likelihood, in nats, of `targets` under the logits of `head` or, without one, of the
/// `embedding`.
///
/// # Shapes
/// - `input`: `[batch, seq, width]`, `targets`: `[batch, seq]`, `embedding`: `[vocab_size, width]`; returns `[1]`
pub fn head_loss(
    input: Tensor<3>,
    head: Option<&Linear>,
    embedding: impl FnOnce() -> Tensor<2>,
    targets: Tensor<2, Int>,
) -> Tensor<1> {
    let Some(head) = head else {
        let embedding = embedding();
        let fused = cross_entropy(&input, &embedding, Unembedding::Rows, &targets);
        return fused.unwrap_or_else(|| loss_of_logits(tied_head(input, embedding), targets));
    };
    let without_bias = head.bias.is_none();
    let fused =
        without_bias.then(|| cross_entropy(&input, &head.weight.val(), Unembedding::Columns, &targets));
    fused.flatten().unwrap_or_else(|| loss_of_logits(head.forward(input), targets))
}
