//! The settings of a training run.

use crate::batches::held_out_of;
use crate::{Error, GradientCheckpointing, LearningRate, OptimizerConfig, Precision, Trainable};
use dress_core::burn::tensor::DType;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The most of whatever is counted; two of them can be multiplied.
const MOST: usize = 1_000_000_000;

/// The most threads that share a batch.
const MOST_WORKERS: usize = 1024;

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
    /// After a tenth of the steps or half a minute, whichever is sooner, but never so often that writing
    /// takes more than a twentieth of the time: small models lose little, and large ones do not spend their
    /// time on files.
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
    /// Threads that share out the blocks of each batch, their gradients averaged: as data parallelism over
    /// devices does, on one. The result is that of one worker but for rounding.
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
    /// When to leave a checkpoint in the run's directory, from which the same run goes on when it is started
    /// again.
    #[serde(skip)]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// Whether to start anew where the run's directory has a checkpoint of another run, or files that are not
    /// what was written, which is an error otherwise. What is there goes with the first checkpoint of the new
    /// run.
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
    /// The recommended settings for weights of type `dtype`: the defaults, with the precision that such
    /// weights need ([`Precision::of_weights`]), and with checkpoints where the run has a directory
    /// ([`CheckpointEvery::Spaced`]).
    ///
    /// # Examples
    /// ```
    /// use dress_core::burn::tensor::DType;
    /// use dress_train::{Precision, TrainConfig};
    ///
    /// assert_eq!(TrainConfig::of_weights(DType::F32).precision, Precision::AsIs);
    /// assert_eq!(TrainConfig::of_weights(DType::BF16).precision, Precision::MasterWeights);
    /// ```
    pub fn of_weights(dtype: DType) -> Self {
        Self {
            precision: Precision::of_weights(dtype),
            checkpoint_every: Some(CheckpointEvery::Spaced),
            ..Self::default()
        }
    }

    /// How many optimizer steps `blocks` blocks make.
    ///
    /// # Examples
    /// ```
    /// use dress_train::TrainConfig;
    ///
    /// let config = TrainConfig { epochs: 2, batch_size: 4, ..TrainConfig::default() };
    /// assert_eq!(config.steps(10), 6, "the last batch of an epoch may be smaller");
    /// ```
    pub fn steps(&self, blocks: usize) -> usize {
        let per_step = self.batch_size.saturating_mul(self.accumulation).max(1);
        self.epochs.saturating_mul(blocks.div_ceil(per_step))
    }

    /// How many optimizer steps a run on `blocks` blocks makes, those that are held out for early stopping
    /// apart.
    pub fn steps_on(&self, blocks: usize) -> usize {
        let held_out = self.early_stopping.filter(|_| blocks > 1);
        let held_out = held_out.map_or(0, |settings| held_out_of(blocks, settings.holdout));
        self.steps(blocks - held_out)
    }

    /// Checks what can be told once it is known how many steps there are.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(crate) fn check_steps(&self, steps: usize) -> Result<(), Error> {
        let warmup = self.learning_rate.warmup_steps;
        // The default is longer than the shortest runs.
        if warmup > steps.max(LearningRate::default().warmup_steps) {
            let expected =
                "it has to be at most the number of steps of the run, or the rate never gets to its height";
            return Err(Error::Setting { setting: "warmup_steps", value: warmup as f64, expected });
        }
        Ok(())
    }

    /// Checks that the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<(), Error> {
        let mut counts = vec![
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("accumulation", self.accumulation),
            ("workers", self.workers),
        ];
        if let Some(CheckpointEvery::Steps(steps)) = self.checkpoint_every {
            counts.push(("checkpoint_every", steps));
        }
        if let Some(EarlyStopping { holdout, every, patience }) = self.early_stopping {
            counts.extend([("early_stopping_every", every), ("early_stopping_patience", patience)]);
            if !(holdout > 0.0 && holdout < 1.0) {
                let expected = "it has to be above 0 and below 1";
                return Err(Error::Setting { setting: "early_stopping", value: holdout, expected });
            }
        }
        if let Some((setting, _)) = counts.iter().copied().find(|(_, count)| *count == 0) {
            return Err(Error::Setting { setting, value: 0.0, expected: "it has to be at least 1" });
        }
        self.check_greatest(&counts)?;
        if let Trainable::Lora(lora) = &self.trainable {
            lora.check()?;
            if lora.dropout > 0.0 && self.workers > 1 {
                let expected = "LoRA dropout draws one set of inputs a step, which takes one worker";
                let value = self.workers as f64;
                return Err(Error::Setting { setting: "workers", value, expected });
            }
        }
        self.learning_rate.check()?;
        self.optimizer.check()?;
        let shrunk = self.learning_rate.peak * self.optimizer.weight_decay();
        if shrunk >= 1.0 {
            let expected = "it has to be below 1, or every step turns the weights over";
            return Err(Error::Setting {
                setting: "weight_decay times learning_rate",
                value: shrunk,
                expected,
            });
        }
        Ok(())
    }

    fn check_greatest(&self, counts: &[(&'static str, usize)]) -> Result<(), Error> {
        if let Some((setting, count)) = counts.iter().find(|(_, count)| *count > MOST) {
            let expected = "it has to be at most 1000000000";
            return Err(Error::Setting { setting, value: *count as f64, expected });
        }
        if self.workers > MOST_WORKERS {
            let expected = "each is a thread; it has to be at most 1024";
            return Err(Error::Setting { setting: "workers", value: self.workers as f64, expected });
        }
        match self.clip_norm {
            Some(norm) if !(norm > 0.0 && norm.is_finite()) => {
                let expected = "it has to be a positive number, such as 1, or none for no limit";
                Err(Error::Setting { setting: "clip_norm", value: norm, expected })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_makes_no_sense_is_an_error() {
        let zero = TrainConfig { batch_size: 0, ..TrainConfig::default() };
        assert!(zero.check().unwrap_err().to_string().contains("batch_size"));
        let mut negative = TrainConfig::default();
        negative.learning_rate.peak = -1.0;
        assert!(negative.check().unwrap_err().to_string().contains("`learning_rate`"));
        let all = EarlyStopping { holdout: 1.0, ..EarlyStopping::default() };
        let nothing_left = TrainConfig { early_stopping: Some(all), ..TrainConfig::default() };
        assert!(nothing_left.check().unwrap_err().to_string().contains("`early_stopping`"));
    }

    #[test]
    fn every_number_has_its_bounds() {
        let refused = |change: &dyn Fn(&mut TrainConfig), says: &str| {
            let mut config = TrainConfig::default();
            change(&mut config);
            let said = config.check().unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        };
        for norm in [f64::NAN, -1.0, 0.0, f64::INFINITY] {
            refused(&|config| config.clip_norm = Some(norm), "clip");
        }
        for many in [MOST + 1, usize::MAX] {
            refused(&|config| config.epochs = many, "epochs");
            refused(&|config| config.batch_size = many, "batch_size");
            refused(&|config| config.accumulation = many, "accumulation");
            refused(&|config| config.learning_rate.warmup_steps = many, "warmup_steps");
            refused(
                &|config| config.checkpoint_every = Some(CheckpointEvery::Steps(many)),
                "checkpoint_every",
            );
            let early = EarlyStopping { patience: many, ..EarlyStopping::default() };
            refused(&|config| config.early_stopping = Some(early), "early_stopping_patience");
        }
        refused(&|config| config.workers = 1025, "workers");
        refused(&|config| config.learning_rate.peak = 1e300, "learning_rate");
        refused(&|config| config.learning_rate.peak = 1e-300, "learning_rate");
        refused(&|config| config.optimizer = config.optimizer.with_weight_decay(1e5), "weight_decay");
        let beta = |beta_2| OptimizerConfig::AdamW(crate::AdamW { beta_2, ..Default::default() });
        refused(&|config| config.optimizer = beta(0.999_999_999_99), "beta_2");
        let tiny = crate::AdamW { epsilon: 1e-60, ..Default::default() };
        refused(&|config| config.optimizer = OptimizerConfig::AdamW(tiny), "epsilon");
        assert_eq!(TrainConfig { epochs: usize::MAX, ..TrainConfig::default() }.steps(9), usize::MAX);
        assert_eq!(TrainConfig { batch_size: 0, ..TrainConfig::default() }.steps(9), 9);
    }

    #[test]
    fn a_warm_up_longer_than_the_run_is_refused_but_for_the_default() {
        let warm = |warmup_steps| TrainConfig {
            learning_rate: LearningRate { warmup_steps, ..LearningRate::default() },
            ..TrainConfig::default()
        };
        assert!(warm(5).check_steps(1).is_ok() && warm(20).check_steps(20).is_ok());
        assert!(warm(21).check_steps(20).unwrap_err().to_string().contains("`warmup_steps`"));
    }
}
