//! What a teacher says of every token, beside what the text says.

use crate::Divergence;
use crate::next_token_loss::loss_of_log_probabilities;
use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, Int, Tensor};

/// A teacher's logits, and how much they count.
#[derive(Debug, Clone)]
pub struct TaughtLogits {
    /// The logits, off the autodiff graph. `[batch, seq, vocab_size]`
    pub logits: Tensor<3>,
    /// The weight of the teacher's distribution, from 0 to 1; the text's own tokens have the rest.
    pub alpha: f64,
    /// The temperature `T` that both distributions are taken at.
    pub temperature: f64,
    /// In which direction they are compared.
    pub direction: Divergence,
}

/// The parts of a distillation's loss, each `[1]`, means over the positions.
#[derive(Debug, Clone)]
pub struct DistilledLoss {
    /// `(1 - alpha) L + alpha T^2 KL`, such as `KL(p || q)` (Hinton et al. 2015, arXiv 1503.02531), on the
    /// autodiff graph.
    pub total: Tensor<1>,
    /// `L`, the text's own loss in nats, which has no gradient to rely on.
    pub language_modelling: Tensor<1>,
    /// The divergence in nats of the teacher's and the model's distributions at temperature `T`, likewise.
    pub divergence: Tensor<1>,
}

/// The loss of `targets` and of the teacher's distance under `logits`; the softmax is in f32.
///
/// # Shapes
/// - `logits`: `[batch, seq, vocab_size]`, `targets`: `[batch, seq]`
pub fn distilled_loss_of_logits(
    logits: Tensor<3>,
    targets: Tensor<2, Int>,
    taught: &TaughtLogits,
) -> DistilledLoss {
    let &TaughtLogits { alpha, temperature, direction, .. } = taught;
    let logits = logits.cast(DType::F32);
    let log_q = log_softmax(logits.clone(), 2);
    let language = loss_of_log_probabilities(log_q.clone(), targets);
    let log_q = if temperature == 1.0 { log_q } else { log_softmax(logits / temperature, 2) };
    let log_p = log_softmax(taught.logits.clone().cast(DType::F32) / temperature, 2);
    let (of, from) = if direction.is_forward() { (log_p, log_q) } else { (log_q, log_p) };
    let divergence = (of.clone().exp() * (of - from)).sum_dim(2).mean();
    let distance = divergence.clone() * (alpha * temperature * temperature);
    DistilledLoss {
        total: if alpha < 1.0 { language.clone() * (1.0 - alpha) + distance } else { distance },
        language_modelling: language.detach(),
        divergence: divergence.detach(),
    }
}
