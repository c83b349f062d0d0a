//! What a text says of its own tokens.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor};

/// Mean negative log-likelihood, in nats, of `targets` under `logits`; the softmax is in f32.
///
/// # Shapes
/// - `logits`: `[batch, seq, vocab_size]`, `targets`: `[batch, seq]`; returns `[1]`
pub fn loss_of_logits(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    loss_of_log_probabilities(log_softmax(logits.cast(DType::F32), 2), targets)
}

/// Mean negative log-likelihood, in nats, of `targets` under log-probabilities of the shape of the logits.
pub(crate) fn loss_of_log_probabilities(log_q: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    let positions: usize = targets.dims().iter().product();
    log_q.gather(2, targets.unsqueeze_dim::<3>(2)).reshape([positions]).mean().neg()
}
