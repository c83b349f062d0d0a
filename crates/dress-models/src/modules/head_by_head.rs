//! Queries, keys and values of one projection.

use burn::tensor::Tensor;

/// Queries, keys and values of a projection that makes the query, the key and the value of one head after the
/// other.
///
/// # Shapes
/// - `states`: `[batch, seq, heads * 3 * head_dim]`; returns `[batch, seq, heads * head_dim]` each
pub fn head_by_head(states: Tensor<3>, head_dim: usize) -> [Tensor<3>; 3] {
    let [batch, seq, width] = states.dims();
    let heads = width / (3 * head_dim);
    let states = states.reshape([batch, seq, heads, 3 * head_dim]);
    [0, 1, 2].map(|part| {
        let part = states.clone().narrow(3, part * head_dim, head_dim);
        part.reshape([batch, seq, heads * head_dim])
    })
}
