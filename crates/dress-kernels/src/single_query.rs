//! Attention of one query a sequence, as in decoding: keys are read once for each query head, values once for
//! all that share them, where they are.

use crate::attention_problem::{Problem, exponentials};
use crate::dots::dots;
use crate::vector::{add_scaled, vectorized};
use rayon::prelude::*;

/// Numbers of keys below which one core is done before another has begun.
const SMALL: usize = 1 << 13;

/// Writes what each head reads of the values, and the logarithm of its query's sum of exponentials.
///
/// # Shapes
/// - `out`: `[batch, 1, heads, head_dim]`, `log_sums`: `[batch, 1, heads]`
pub(crate) fn attend(problem: &Problem, out: &mut [f32], log_sums: &mut [f32]) {
    let (groups, width, kv_heads) = (problem.groups(), problem.query.width, problem.key.heads);
    let share = if problem.key.seq * width * kv_heads < SMALL { kv_heads } else { 1 };
    let heads = out.par_chunks_mut(groups * width).zip(log_sums.par_chunks_mut(groups)).enumerate();
    heads.with_min_len(share).for_each_init(Vec::new, |scores, (index, (out, log_sums))| {
        mix(problem, [index / kv_heads, index % kv_heads], scores, out, log_sums);
    });
}

/// The query heads that share one key/value head.
fn mix(
    problem: &Problem,
    [batch, kv_head]: [usize; 2],
    scores: &mut Vec<f32>,
    out: &mut [f32],
    log_sums: &mut [f32],
) {
    let (groups, width, keys, scale) =
        (problem.groups(), problem.query.width, problem.key.seq, problem.scale());
    let queries = (0..groups).map(|group| problem.query.row(batch, kv_head * groups + group, 0));
    let key = problem.key.matrix(batch, kv_head, keys);
    let value = problem.value.matrix(batch, kv_head, keys);
    scores.resize(groups * keys, 0.0);
    for (query, scores) in queries.zip(scores.chunks_exact_mut(keys)) {
        dots((query, scale), (key.data, key.row_stride), (scores, 1));
    }
    let sums = scores.chunks_exact_mut(keys).zip(log_sums).map(|(scores, log_sum)| {
        let (highest, sum) = exponentials(scores, keys);
        *log_sum = highest + sum.ln();
        sum
    });
    let sums: Vec<f32> = sums.collect();
    vectorized(
        #[inline(always)]
        || {
            for at in 0..keys {
                let value = &value.data[at * value.row_stride..][..width];
                for (out, scores) in out.chunks_exact_mut(width).zip(scores.chunks_exact(keys)) {
                    add_scaled(out, value, scores[at]);
                }
            }
            for (out, sum) in out.chunks_exact_mut(width).zip(&sums) {
                let factor = 1.0 / sum;
                for out in out {
                    *out *= factor;
                }
            }
        },
    );
}
