//! The options of training, whatever it is for.

use super::common_args::at_least_one;
use super::listed::{decay, divergence, gradient_checkpointing, optimizer, precision};
use clap::Args;
use dress_core::Divergence;
use dress_train::{
    CheckpointEvery, Decay, DistillationConfig, EarlyStopping, GradientCheckpointing, LearningRate,
    OptimizerConfig, Precision, TrainConfig,
};

/// The heading of the training's options.
pub(super) const TRAINING: &str = "Training";

/// The heading of those of learning from the dense model.
pub(super) const DISTILLATION: &str = "Distillation";

/// The training's options; the defaults are those of [`TrainConfig::of_weights`], but for the learning rate
/// of a regularization.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = TRAINING)]
pub struct TrainingArgs {
    /// The highest learning rate. By default 1e-4, but 3e-4 where regularizing is in the checkpoint's own
    /// basis.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// How it falls.
    #[arg(long, default_value_t = LearningRate::default().decay, value_parser = decay())]
    learning_rate_decay: Decay,
    /// What it falls to, as a share of the highest.
    #[arg(long, default_value_t = LearningRate::default().end)]
    learning_rate_end: f64,
    /// Steps in which it climbs.
    #[arg(long, default_value_t = LearningRate::default().warmup_steps)]
    warmup_steps: usize,
    /// What takes the steps; muon those of matrices inside the layers, and adamw the rest.
    #[arg(long, default_value_t = OptimizerConfig::default(), value_parser = optimizer())]
    optimizer: OptimizerConfig,
    /// The optimizer's weight decay.
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f64,
    /// How steps are taken that half-precision weights cannot express. By default as-is for f32, and
    /// master-weights for bf16 and f16.
    #[arg(long, value_parser = precision())]
    precision: Option<Precision>,
    /// Scale gradients down to this norm; 0 for no limit.
    #[arg(long, default_value_t = TrainConfig::default().clip_norm.unwrap_or_default(), value_parser = norm)]
    clip_norm: f64,
    /// What is computed again in the backward pass instead of being kept: nothing, cheap operations, or all
    /// of one layer at a time, which takes the least memory and one more forward pass.
    #[arg(long, default_value_t = GradientCheckpointing::None, value_parser = gradient_checkpointing())]
    gradient_checkpointing: GradientCheckpointing,
    /// How often each calibration block is seen.
    #[arg(long, default_value_t = TrainConfig::default().epochs, value_parser = at_least_one)]
    epochs: usize,
    /// Blocks a batch.
    #[arg(long, default_value_t = TrainConfig::default().batch_size, value_parser = at_least_one)]
    batch_size: usize,
    /// Batches a step.
    #[arg(long, default_value_t = TrainConfig::default().accumulation, value_parser = at_least_one)]
    accumulation: usize,
    /// Threads that share out each batch.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    workers: usize,
    /// Steps between two checkpoints, from which the same command goes on after it was interrupted; 0 for
    /// none. By default a tenth of all steps or half a minute, whichever is sooner, but never so often that
    /// writing them takes more than a twentieth of the time.
    #[arg(long)]
    checkpoint_every: Option<usize>,
    /// Hold out this share of the calibration blocks, and stop when their loss gets no better.
    #[arg(long, value_name = "SHARE")]
    early_stopping: Option<f64>,
    /// Steps between two looks at the blocks held out.
    #[arg(long, default_value_t = EarlyStopping::default().every, requires = "early_stopping", value_parser = at_least_one)]
    early_stopping_every: usize,
    /// Looks without a better loss after which to stop.
    #[arg(long, default_value_t = EarlyStopping::default().patience, requires = "early_stopping", value_parser = at_least_one)]
    early_stopping_patience: usize,
}

/// How much is learnt from a dense model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = DISTILLATION)]
pub struct DistillArgs {
    /// Learn from the dense model's distribution too: its weight from 0 to 1, beside the text's own tokens.
    #[arg(long, alias = "distill-alpha", value_name = "ALPHA")]
    distill: Option<f64>,
    /// The temperature at which distributions are compared.
    #[arg(long, default_value_t = 1.0, requires = "distill")]
    distill_temperature: f64,
    /// The weight of the distance to the dense model's residual stream, after every layer.
    #[arg(long, default_value_t = 0.0, requires = "distill")]
    distill_hidden: f64,
    /// Whether the model has to expect what the dense one does (forward), or must not expect what it does not
    /// (reverse).
    #[arg(long, default_value = "forward", requires = "distill", value_parser = divergence())]
    distill_divergence: Divergence,
    /// Compute the dense model's outputs once, to a file, instead of in every step.
    #[arg(long, requires = "distill")]
    distill_cache: bool,
}

impl TrainingArgs {
    /// The highest learning rate, where one is given.
    pub(super) fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    /// The precision of steps, where one is given.
    pub(super) fn precision(&self) -> Option<Precision> {
        self.precision
    }

    /// `usual` with what they say of it.
    pub(super) fn config(&self, usual: TrainConfig, seed: u64) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            accumulation: self.accumulation,
            workers: self.workers,
            learning_rate: LearningRate {
                peak: self.learning_rate.unwrap_or(usual.learning_rate.peak),
                warmup_steps: self.warmup_steps,
                end: self.learning_rate_end,
                decay: self.learning_rate_decay,
            },
            optimizer: self.optimizer.with_weight_decay(self.weight_decay),
            precision: self.precision.unwrap_or(usual.precision),
            clip_norm: (self.clip_norm > 0.0).then_some(self.clip_norm),
            gradient_checkpointing: self.gradient_checkpointing,
            early_stopping: self.early_stopping.map(|holdout| EarlyStopping {
                holdout,
                every: self.early_stopping_every,
                patience: self.early_stopping_patience,
            }),
            seed,
            checkpoint_every: match self.checkpoint_every {
                None => usual.checkpoint_every,
                Some(0) => None,
                Some(steps) => Some(CheckpointEvery::Steps(steps)),
            },
            ..usual
        }
    }
}

impl DistillArgs {
    pub(super) fn config(&self) -> Option<dress_prune::Distill> {
        let objective = DistillationConfig {
            alpha: self.distill?,
            temperature: self.distill_temperature,
            hidden: self.distill_hidden,
            divergence: self.distill_divergence,
        };
        Some(dress_prune::Distill { objective, cache: self.distill_cache })
    }
}

/// The norm to scale gradients down to, 0 for none.
fn norm(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(norm) if (0.0..=1e9).contains(&norm) => Ok(norm),
        _ => Err("expected a number from 0, for no limit, to 1e9".into()),
    }
}
