//! Chance, against which every criterion has to prove itself.

use dress_core::{Axis, Calibration, CausalLm, Error, Progress, Scorer, Scores};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Scores drawn evenly from `[0, 1)`.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    /// Seed of the draw.
    pub seed: u64,
}

impl<M: CausalLm> Scorer<M> for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn needs_calibration(&self) -> bool {
        false
    }

    fn score(
        &self,
        model: &M,
        _calibration: &Calibration,
        axes: &[Axis],
        _progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        let map = model.coupling();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut scores = Scores::new();
        for &axis in axes {
            let len = map.axis(axis)?.len;
            scores.insert(axis, (0..len).map(|_| rng.random::<f64>()).collect())?;
        }
        Ok(scores)
    }
}
