//! The settings of a training run.

use crate::{Error, GradientCheckpointing, LearningRate, OptimizerConfig, Precision, Trainable};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// When to stop before the steps are over, by blocks that are held out of training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EarlyStopping {
    /// The share of the blocks that is held out, at least one.
    pub holdout: f64,
    /// Steps between two looks at them.
    pub every: usize,
    /// Looks without a better loss after which to stop. What is selected has to be gone first.
    pub patience: usize,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { holdout: 0.1, every: 10, patience: 3 }
    }
}

/// When a run leaves a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointEvery {
    /// After so many steps.
    Steps(usize),
    /// After a tenth of the steps or half a minute, whichever is sooner, but never so often that writing takes more than a
    /// twentieth of the time: small models lose little, and large ones do not spend their time on files.
    Spaced,
}

/// The settings of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// How often each block is seen.
    pub epochs: usize,
    /// Blocks that go through the model together.
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulation: usize,
    /// Threads that share out the blocks of each batch, their gradients averaged: as data parallelism over devices does, on
    /// one. The result is that of one worker but for rounding.
    pub workers: usize,
    /// The learning rate.
    pub learning_rate: LearningRate,
    /// What takes the steps.
    pub optimizer: OptimizerConfig,
    /// Which weights it moves.
    pub trainable: Trainable,
    /// What is done about steps that half-precision weights cannot express.
    pub precision: Precision,
    /// The greatest norm of all gradients together; longer ones are scaled down to it.
    pub clip_norm: Option<f64>,
    /// What is computed again in the backward pass instead of being kept.
    pub gradient_checkpointing: GradientCheckpointing,
    /// When to stop before the steps are over.
    pub early_stopping: Option<EarlyStopping>,
    /// Seed of the order of the blocks, and of everything else that is drawn.
    pub seed: u64,
    /// Where curves, checkpoints, and after a failure the last good weights, are written.
    #[serde(skip)]
    pub run_dir: Option<PathBuf>,
    /// When to leave a checkpoint in the run's directory, from which the same run goes on when it is started again.
    #[serde(skip)]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// Whether to start anew where the run's directory has a checkpoint of another run, which is an error otherwise.
    #[serde(skip)]
    pub replace_other_run: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 1,
            accumulation: 1,
            workers: 1,
            learning_rate: LearningRate::default(),
            optimizer: OptimizerConfig::default(),
            trainable: Trainable::All,
            precision: Precision::AsIs,
            clip_norm: Some(1.0),
            gradient_checkpointing: GradientCheckpointing::None,
            early_stopping: None,
            seed: 42,
            run_dir: None,
            checkpoint_every: None,
            replace_other_run: false,
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
        let mut counts = vec![
            ("epochs", self.epochs),
            ("batch size", self.batch_size),
            ("accumulation", self.accumulation),
            ("workers", self.workers),
        ];
        if let Some(CheckpointEvery::Steps(steps)) = self.checkpoint_every {
            counts.push(("steps between two checkpoints", steps));
        }
        if let Some(EarlyStopping { holdout, every, patience }) = self.early_stopping {
            counts.extend([("steps between two looks", every), ("patience", patience)]);
            if !(holdout > 0.0 && holdout < 1.0) {
                let expected = "it has to be above 0 and below 1";
                return Err(Error::Setting { setting: "share held out", value: holdout, expected });
            }
        }
        if let Some((setting, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(Error::Setting { setting, value: 0.0, expected: "it has to be at least 1" });
        }
        if let Trainable::Lora(lora) = &self.trainable {
            lora.check()?;
            if lora.dropout > 0.0 && self.workers > 1 {
                let expected = "LoRA dropout draws one set of inputs a step, which takes one worker";
                let value = self.workers as f64;
                return Err(Error::Setting { setting: "workers", value, expected });
            }
        }
        self.learning_rate.check()?;
        self.optimizer.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_makes_no_sense_is_an_error() {
        let zero = TrainConfig { batch_size: 0, ..TrainConfig::default() };
        assert!(zero.check().unwrap_err().to_string().contains("batch size"));
        let mut negative = TrainConfig::default();
        negative.learning_rate.peak = -1.0;
        assert!(negative.check().unwrap_err().to_string().contains("learning rate"));
        let all = EarlyStopping { holdout: 1.0, ..EarlyStopping::default() };
        let nothing_left = TrainConfig { early_stopping: Some(all), ..TrainConfig::default() };
        assert!(nothing_left.check().unwrap_err().to_string().contains("held out"));
    }
}
