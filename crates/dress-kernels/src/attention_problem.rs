//! Queries, keys and values of causal attention, and the blocks of queries that are worked on at a time.

use crate::heads::Heads;
use crate::vector::{exp, max, sum, vectorized};

/// What the gradient needs of the forward pass.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub problem: Problem,
    pub output: Heads,
    /// The logarithm of each query's sum of exponentials. `[batch, seq, heads]`
    pub log_sums: Vec<f32>,
}

/// Queries, keys and values.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub query: Heads,
    pub key: Heads,
    pub value: Heads,
}

/// Rows that are multiplied with the keys of one head at the same time: enough to make up for packing the
/// keys, few enough that the scores stay in the cache.
const ROWS: usize = 128;

impl Problem {
    /// Query heads that share one key/value head.
    pub fn groups(&self) -> usize {
        self.query.heads / self.key.heads
    }

    /// Queries of one block.
    pub fn block(&self) -> usize {
        (ROWS / self.groups()).max(16).next_multiple_of(8)
    }

    /// Keys that the query at `position` sees.
    pub fn visible(&self, position: usize) -> usize {
        self.key.seq - self.query.seq + position + 1
    }

    /// What the scores are multiplied by.
    pub fn scale(&self) -> f32 {
        (self.query.width as f32).powf(-0.5)
    }
}

/// The queries `start..start + len` of one key/value head's group, head after head.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub batch: usize,
    pub kv_head: usize,
    pub start: usize,
    pub len: usize,
}

impl Block {
    /// Head and position of every row.
    pub fn rows(self, groups: usize) -> impl Iterator<Item = (usize, usize)> {
        let heads = self.kv_head * groups..(self.kv_head + 1) * groups;
        heads.flat_map(move |head| (self.start..self.start + self.len).map(move |position| (head, position)))
    }

    /// The rows of `states` one after the other, multiplied by `factor`.
    pub fn gather(self, states: &Heads, groups: usize, factor: f32, out: &mut Vec<f32>) {
        out.clear();
        for (head, position) in self.rows(groups) {
            out.extend(states.row(self.batch, head, position).iter().map(|x| x * factor));
        }
    }
}

/// Turns the first `visible` scores into exponentials relative to the highest, and the others into zeros;
/// the highest, and the sum.
pub(crate) fn exponentials(scores: &mut [f32], visible: usize) -> (f32, f32) {
    let (seen, hidden) = scores.split_at_mut(visible);
    hidden.fill(0.0);
    vectorized(
        #[inline(always)]
        || {
            let highest = max(seen);
            for score in seen.iter_mut() {
                *score = exp(*score - highest);
            }
            (
                highest,
                sum(
                    seen.len(),
                    #[inline(always)]
                    |i| seen[i],
                ),
            )
        },
    )
}
