//! Causal attention a few queries at a time.

use crate::attention_gradient::gradients;
use crate::attention_problem::{Block, Problem, State, exponentials};
use crate::fused::{Fused, Inputs, apply};
use crate::heads::{Heads, interleaved};
use crate::product::{Cores, product};
use crate::single_query::attend;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `softmax(query * key^T / sqrt(head_dim)) * value`, every query seeing the keys up to its own position;
/// the last query is at the last key, and query heads share key/value heads in order (grouped-query
/// attention, arXiv 2305.13245).
///
/// Scores exist for a few queries at a time; for the gradient they are computed again from one number a
/// query (FlashAttention, arXiv 2205.14135).
///
/// # Shapes
/// - `query`: `[batch, heads, seq, head_dim]`, returned likewise
/// - `key`, `value`: `[batch, kv_heads, keys, head_dim]` with `keys >= seq`
///
/// # Panics
/// Where there are fewer keys than queries, or key/value heads that query heads do not share evenly.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
/// use dress_kernels::causal_attention;
///
/// let device = Device::flex();
/// let query = Tensor::<4>::ones([1, 2, 1, 4], &device);
/// let (key, value) = (Tensor::<4>::ones([1, 1, 1, 4], &device), Tensor::<4>::full([1, 1, 1, 4], 2.0, &device));
/// // The first token sees itself alone, in both heads.
/// let seen = causal_attention(&query, &key, &value).expect("numbers in f32 on a CPU");
/// assert!((seen.sum().into_scalar::<f32>() - 16.0).abs() < 1e-4);
/// ```
pub fn causal_attention(query: &Tensor<4>, key: &Tensor<4>, value: &Tensor<4>) -> Option<Tensor<4>> {
    let ([_, heads, seq, _], [_, kv_heads, keys, _]) = (query.dims(), key.dims());
    assert!(keys >= seq, "{seq} queries of {keys} keys");
    assert!(
        heads.is_multiple_of(kv_heads),
        "{heads} query heads do not share {kv_heads} key/value heads evenly"
    );
    let inputs = [query, key, value].map(|tensor| tensor.clone().into_dispatch());
    Some(apply(CausalAttention, Inputs::new(inputs)?))
}

#[derive(Debug)]
struct CausalAttention;

impl Fused<3> for CausalAttention {
    type State = State;

    fn forward(&self, inputs: [FlexTensor; 3], _tracked: bool) -> (FlexTensor, State) {
        let [query, key, value] = inputs.map(Heads::new);
        let problem = Problem { query, key, value };
        let [batch, heads, seq, width] = problem.query.dims();
        let (block, row) = (problem.block(), heads * width);
        let mut out = vec![0.0; batch * seq * row];
        let mut log_sums = vec![0.0; batch * seq * heads];
        if seq == 1 {
            attend(&problem, &mut out, &mut log_sums);
            return output_and_state(problem, out, log_sums);
        }
        let batches = out.par_chunks_mut(seq * row).zip(log_sums.par_chunks_mut(seq * heads)).enumerate();
        batches.for_each(|(batch, (out, log_sums))| {
            let blocks = out.par_chunks_mut(block * row).zip(log_sums.par_chunks_mut(block * heads));
            let blocks = blocks.enumerate().with_max_len(1);
            blocks.for_each_init(Scratch::default, |scratch, (index, (out, log_sums))| {
                let (start, len) = (index * block, out.len() / row);
                for kv_head in 0..problem.key.heads {
                    scratch.mix(&problem, Block { batch, kv_head, start, len }, out, log_sums);
                }
            });
        });
        output_and_state(problem, out, log_sums)
    }

    fn gradients(&self, state: State, output: FlexTensor, _wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
        gradients(&state, &Heads::new(output)).map(Some)
    }
}

fn output_and_state(problem: Problem, out: Vec<f32>, log_sums: Vec<f32>) -> (FlexTensor, State) {
    let output = interleaved(out, problem.query.dims());
    (output.clone(), State { problem, output: Heads::new(output), log_sums })
}

#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
}

impl Scratch {
    /// Writes the heads of one group for the queries of one block.
    fn mix(&mut self, problem: &Problem, block: Block, out: &mut [f32], log_sums: &mut [f32]) {
        let (groups, width, heads) = (problem.groups(), problem.query.width, problem.query.heads);
        let (rows, keys) = (groups * block.len, problem.visible(block.start + block.len - 1));
        block.gather(&problem.query, groups, problem.scale(), &mut self.queries);
        self.scores.resize(rows * keys, 0.0);
        self.mixed.resize(rows * width, 0.0);
        let queries = crate::product::Matrix::new(&self.queries, rows, width, width);
        let key = problem.key.matrix(block.batch, block.kv_head, keys);
        product(&mut self.scores, queries, key.transposed(), false, Cores::One);
        let sums: Vec<f32> = block
            .rows(groups)
            .zip(self.scores.chunks_exact_mut(keys))
            .map(|((head, position), scores)| {
                let (highest, sum) = exponentials(scores, problem.visible(position));
                log_sums[(position - block.start) * heads + head] = highest + sum.ln();
                sum
            })
            .collect();
        let scores = crate::product::Matrix::new(&self.scores, rows, keys, keys);
        let value = problem.value.matrix(block.batch, block.kv_head, keys);
        product(&mut self.mixed, scores, value, false, Cores::One);
        for (((head, position), mixed), sum) in
            block.rows(groups).zip(self.mixed.chunks_exact(width)).zip(sums)
        {
            let start = ((position - block.start) * heads + head) * width;
            let factor = 1.0 / sum;
            out[start..start + width].iter_mut().zip(mixed).for_each(|(out, mixed)| *out = mixed * factor);
        }
    }
}
