//! The definitions, in Burn's own operations.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Int, Tensor};

pub fn rms_norm(input: Tensor<3>, weight: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let mean_square = (input.clone() * input.clone()).mean_dim(2);
    input / (mean_square + epsilon).sqrt() * weight.unsqueeze()
}

pub fn rotate_half(states: Tensor<4>, [cos, sin]: [Tensor<2>; 2]) -> Tensor<4> {
    let (half, width) = (cos.dims()[1], states.dims()[3]);
    let (cos, sin) = (cos.unsqueeze::<4>(), sin.unsqueeze::<4>());
    let (first, second) = (states.clone().narrow(3, 0, half), states.clone().narrow(3, half, half));
    let left = first.clone() * cos.clone() - second.clone() * sin.clone();
    let right = second * cos + first * sin;
    let mut parts = vec![left, right];
    if width > 2 * half {
        parts.push(states.narrow(3, 2 * half, width - 2 * half));
    }
    Tensor::cat(parts, 3)
}

pub fn causal_attention(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
    let [batch, heads, seq, width] = query.dims();
    let [_, kv_heads, keys, _] = key.dims();
    let repeat = |states: Tensor<4>| {
        let repeated = states.unsqueeze_dim::<5>(2).repeat_dim(2, heads / kv_heads);
        repeated.reshape([batch, heads, keys, width])
    };
    let scores = query.matmul(repeat(key).swap_dims(2, 3)) * (width as f64).powf(-0.5);
    let hidden = Tensor::<2, Bool>::tril_mask([seq, keys], (keys - seq) as i64, &scores.device());
    softmax(scores.mask_fill(hidden.unsqueeze(), f32::NEG_INFINITY), 3).matmul(repeat(value))
}

pub fn logits(hidden: Tensor<3>, rows: Tensor<2>) -> Tensor<3> {
    hidden.matmul(rows.transpose().unsqueeze())
}

/// The mean of `KL(p || q)` at a temperature, of the distributions `p` that `taught` makes and `q` that
/// `logits` make.
pub fn divergence(logits: Tensor<3>, taught: Tensor<3>, temperature: f64) -> Tensor<1> {
    let (log_p, log_q) = (log_softmax(taught / temperature, 2), log_softmax(logits / temperature, 2));
    (log_p.clone().exp() * (log_p - log_q)).sum_dim(2).mean()
}

pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<1> {
    log_softmax(logits, 2).gather(2, targets.unsqueeze_dim::<3>(2)).mean().neg()
}
