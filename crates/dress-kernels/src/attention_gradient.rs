//! The gradient of causal attention, from scores computed again.

use crate::attention_problem::{Block, Problem, State};
use crate::heads::{Heads, interleaved};
use crate::product::{Cores, Matrix, product};
use crate::vector::{exp, sum, vectorized};
use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

/// Tasks that share the blocks of one key/value head. Each has sums of its own, added up in order, so that
/// the result does not depend on who was first.
const SHARES: usize = 4;

/// The gradients of queries, keys and values.
pub(crate) fn gradients(state: &State, output: &Heads) -> [FlexTensor; 3] {
    let problem = &state.problem;
    let shares = SHARES.min(problem.query.seq.div_ceil(problem.block()));
    let tasks = problem.key.batch * problem.key.heads * shares;
    let parts: Vec<Part> = (0..tasks)
        .into_par_iter()
        .with_max_len(1)
        .map(|task| {
            let (batch, kv_head) = (task / shares / problem.key.heads, task / shares % problem.key.heads);
            Part::new(state, output, [batch, kv_head], task % shares, shares)
        })
        .collect();
    let [query, key] = [problem.query.dims(), problem.key.dims()];
    let mut of_query = vec![0.0; query.iter().product()];
    let mut of_key = vec![0.0; key.iter().product()];
    let mut of_value = vec![0.0; key.iter().product()];
    for part in &parts {
        part.write_queries(&mut of_query, problem);
    }
    for part in parts {
        let place = (part.batch * key[2] * key[1] + part.kv_head) * key[3];
        add_rows(&mut of_key[place..], &part.of_key, key[1] * key[3], key[3]);
        add_rows(&mut of_value[place..], &part.of_value, key[1] * key[3], key[3]);
    }
    [interleaved(of_query, query), interleaved(of_key, key), interleaved(of_value, key)]
}

/// Adds rows of `width` numbers to rows that are `stride` apart.
fn add_rows(out: &mut [f32], rows: &[f32], stride: usize, width: usize) {
    for (out, row) in out.chunks_mut(stride).zip(rows.chunks_exact(width)) {
        out.iter_mut().zip(row).for_each(|(out, x)| *out += x);
    }
}

/// What every `shares`th block of one key/value head adds to the gradients.
struct Part {
    batch: usize,
    kv_head: usize,
    blocks: Vec<Block>,
    of_query: Vec<f32>,
    of_key: Vec<f32>,
    of_value: Vec<f32>,
}

impl Part {
    fn new(state: &State, output: &Heads, [batch, kv_head]: [usize; 2], share: usize, shares: usize) -> Self {
        let problem = &state.problem;
        let (seq, size) = (problem.query.seq, problem.block());
        let starts = (share * size..seq).step_by(shares * size);
        let block = |start: usize| Block { batch, kv_head, start, len: size.min(seq - start) };
        let blocks: Vec<Block> = starts.map(block).collect();
        let keys = problem.key.seq * problem.key.width;
        let empty = (Vec::new(), vec![0.0; keys], vec![0.0; keys]);
        let (of_query, of_key, of_value) = empty;
        let mut part = Self { batch, kv_head, blocks: Vec::new(), of_query, of_key, of_value };
        let mut scratch = Scratch::default();
        for &block in &blocks {
            part.add(state, output, block, &mut scratch);
        }
        part.blocks = blocks;
        part
    }

    /// With probabilities `P` and scores `S`: `dV += P^T dO`, `dS = P * (dO V^T - rowsum(dO * O))`,
    /// `dQ = dS K`, `dK += dS^T Q`.
    fn add(&mut self, state: &State, output: &Heads, block: Block, scratch: &mut Scratch) {
        let problem = &state.problem;
        let (groups, width) = (problem.groups(), problem.query.width);
        let (rows, keys) = (groups * block.len, problem.visible(block.start + block.len - 1));
        let key = problem.key.matrix(block.batch, block.kv_head, keys);
        let value = problem.value.matrix(block.batch, block.kv_head, keys);
        block.gather(&problem.query, groups, problem.scale(), &mut scratch.queries);
        block.gather(output, groups, 1.0, &mut scratch.outputs);
        scratch.scores.resize(rows * keys, 0.0);
        scratch.slopes.resize(rows * keys, 0.0);
        let queries = Matrix::new(&scratch.queries, rows, width, width);
        let outputs = Matrix::new(&scratch.outputs, rows, width, width);
        product(&mut scratch.scores, queries, key.transposed(), false, Cores::One);
        product(&mut scratch.slopes, outputs, value.transposed(), false, Cores::One);
        let lines = scratch.scores.chunks_exact_mut(keys).zip(scratch.slopes.chunks_exact_mut(keys));
        let lines = lines.zip(scratch.outputs.chunks_exact(width));
        for ((head, position), ((scores, slopes), outputs)) in block.rows(groups).zip(lines) {
            let log_sum =
                state.log_sums[(block.batch * problem.query.seq + position) * problem.query.heads + head];
            let mixed = state.output.row(block.batch, head, position);
            let visible = problem.visible(position);
            scores[visible..].fill(0.0);
            slopes[visible..].fill(0.0);
            softmax_gradient(&mut scores[..visible], &mut slopes[..visible], log_sum, outputs, mixed);
        }
        let scores = Matrix::new(&scratch.scores, rows, keys, keys);
        let slopes = Matrix::new(&scratch.slopes, rows, keys, keys);
        product(&mut self.of_value, scores.transposed(), outputs, true, Cores::One);
        product(&mut self.of_key, slopes.transposed(), queries, true, Cores::One);
        let start = self.of_query.len();
        self.of_query.resize(start + rows * width, 0.0);
        product(&mut self.of_query[start..], slopes, key, false, Cores::One);
    }

    fn write_queries(&self, out: &mut [f32], problem: &Problem) {
        let [_, heads, seq, width] = problem.query.dims();
        let scale = problem.scale();
        let places = self.blocks.iter().flat_map(|block| block.rows(problem.groups()));
        for ((head, position), row) in places.zip(self.of_query.chunks_exact(width)) {
            let start = ((self.batch * seq + position) * heads + head) * width;
            out[start..start + width].iter_mut().zip(row).for_each(|(out, x)| *out = x * scale);
        }
    }
}

#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    outputs: Vec<f32>,
    scores: Vec<f32>,
    slopes: Vec<f32>,
}

/// Turns scores into probabilities, and the gradient of the probabilities into that of the scores.
fn softmax_gradient(scores: &mut [f32], slopes: &mut [f32], log_sum: f32, outputs: &[f32], mixed: &[f32]) {
    vectorized(
        #[inline(always)]
        || {
            let mean = sum(
                mixed.len(),
                #[inline(always)]
                |i| outputs[i] * mixed[i],
            );
            for (score, slope) in scores.iter_mut().zip(slopes) {
                let probability = exp(*score - log_sum);
                *score = probability;
                *slope = probability * (*slope - mean);
            }
        },
    );
}
