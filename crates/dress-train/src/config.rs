//! The settings of a training run.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How the learning rate changes over a run: up in a straight line, then down a cosine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningRate {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the way up.
    pub warmup_steps: usize,
    /// The rate at the end, as a share of the highest; 1 keeps it.
    pub end: f64,
}

impl LearningRate {
    /// The rate of step `step` of `total`, both counted from 0.
    pub fn at(&self, step: usize, total: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let span = total.saturating_sub(self.warmup_steps + 1).max(1) as f64;
        let done = ((step - self.warmup_steps) as f64 / span).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.peak * (self.end + (1.0 - self.end) * cosine)
    }
}

/// The settings of a training run. AdamW's defaults are those the field uses, not Burn's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// How often each block is seen.
    pub epochs: usize,
    /// Blocks that go through the model together.
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulation: usize,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// AdamW's decay of the gradient's mean.
    pub beta_1: f64,
    /// AdamW's decay of the gradient's mean square.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The greatest norm of all gradients together; longer ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// Seed of the order of the blocks.
    pub seed: u64,
    /// Where curves, and after a failure the last good weights, are written.
    #[serde(skip)]
    pub run_dir: Option<PathBuf>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 1,
            accumulation: 1,
            learning_rate: LearningRate { peak: 3e-4, warmup_steps: 5, end: 0.1 },
            beta_1: 0.9,
            beta_2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: Some(1.0),
            seed: 42,
            run_dir: None,
        }
    }
}

impl TrainConfig {
    /// How many optimizer steps `blocks` blocks make.
    pub fn steps(&self, blocks: usize) -> usize {
        self.epochs * blocks.div_ceil(self.batch_size * self.accumulation)
    }

    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        let counts =
            [("epochs", self.epochs), ("batch size", self.batch_size), ("accumulation", self.accumulation)];
        if let Some((setting, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(Error::Setting { setting, value: 0.0, expected: "it has to be at least 1" });
        }
        let rate = self.learning_rate.peak;
        if !(rate > 0.0 && rate.is_finite()) {
            let expected = "it has to be a positive number, such as 3e-4";
            return Err(Error::Setting { setting: "learning rate", value: rate, expected });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_climbs_to_its_peak_and_ends_at_its_share() {
        let rate = LearningRate { peak: 1.0, warmup_steps: 4, end: 0.1 };
        let rates: Vec<f64> = (0..20).map(|step| rate.at(step, 20)).collect();
        assert!(rates[..5].windows(2).all(|w| w[0] < w[1]));
        assert!(rates[4..].windows(2).all(|w| w[0] > w[1]));
        assert!((rates[4] - 1.0).abs() < 1e-12 && (rates[19] - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_an_error() {
        let zero = TrainConfig { batch_size: 0, ..TrainConfig::default() };
        assert!(zero.check().unwrap_err().to_string().contains("batch size"));
        let mut negative = TrainConfig::default();
        negative.learning_rate.peak = -1.0;
        assert!(negative.check().unwrap_err().to_string().contains("learning rate"));
    }
}
