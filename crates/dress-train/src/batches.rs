//! The order in which training sees its blocks.

use dress_core::Calibration;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The blocks of every step, in an order that is drawn anew every epoch. The seed decides all of it, so that
/// the order from any step on is found again by drawing from the start.
pub(crate) struct Batches {
    /// The places of the blocks that are trained on.
    blocks: Vec<usize>,
    per_step: usize,
    order: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Batches {
    pub fn new(blocks: Vec<usize>, per_step: usize, seed: u64) -> Self {
        Self { blocks, per_step, order: Vec::new(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The places of the next step's blocks.
    pub fn next_step(&mut self) -> Vec<usize> {
        if self.order.is_empty() {
            self.order.clone_from(&self.blocks);
            self.order.shuffle(&mut self.rng);
        }
        let take = self.per_step.min(self.order.len());
        self.order.split_off(self.order.len() - take)
    }
}

/// The blocks at some places of `data`, and how many tokens they are.
pub(crate) fn blocks_at(data: &Calibration, indices: &[usize]) -> (Vec<Vec<u32>>, u64) {
    let blocks: Vec<Vec<u32>> = indices.iter().map(|&i| data.blocks[i].clone()).collect();
    let tokens = blocks.iter().map(|block| block.len() as u64).sum();
    (blocks, tokens)
}

/// How many of `blocks` blocks, at least two, are held out where a share of them is.
pub(crate) fn held_out_of(blocks: usize, share: f64) -> usize {
    ((blocks as f64 * share).round() as usize).clamp(1, blocks - 1)
}

/// The places of `blocks` blocks, at least two, in two: what is trained on, and `share` of them that are only
/// looked at, at least one block each. Which ones, the seed decides.
pub(crate) fn split(blocks: usize, share: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut held: Vec<usize> = (0..blocks).collect();
    held.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ 0x0073_706c_6974));
    let mut trained = held.split_off(held_out_of(blocks, share));
    trained.sort_unstable();
    held.sort_unstable();
    (trained, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_sees_each_block_once_in_another_order() {
        let mut batches = Batches::new((0..7).collect(), 3, 1);
        let mut epoch = || -> Vec<usize> { (0..3).flat_map(|_| batches.next_step()).collect() };
        let (first, second) = (epoch(), epoch());
        assert_ne!(first, second);
        for mut epoch in [first, second] {
            epoch.sort_unstable();
            assert_eq!(epoch, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn what_is_held_out_is_not_trained_on() {
        let (trained, held) = split(10, 0.2, 5);
        assert_eq!((trained.len(), held.len()), (8, 2));
        let mut all = [trained, held].concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn something_is_left_to_train_on_whatever_the_share() {
        for (share, left) in [(0.95, 1), (0.01, 2)] {
            assert_eq!(split(3, share, 5).0.len(), left, "{share}");
        }
    }
}
