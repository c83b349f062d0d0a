//! Chance, against which every criterion has to prove itself.

use dress_core::{Axis, CouplingMap, Error, Scores};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Scores drawn evenly from `[0, 1)`.
pub(crate) fn random(map: &CouplingMap, axes: &[Axis], seed: u64) -> Result<Scores, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut scores = Scores::new();
    for &axis in axes {
        let len = map.axis(axis)?.len;
        scores.insert(axis, (0..len).map(|_| rng.random::<f64>()).collect())?;
    }
    Ok(scores)
}
