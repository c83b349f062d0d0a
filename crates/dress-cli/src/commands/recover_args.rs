//! The options of `dress recover`.

use super::common_args::{RESULT, at_least_one};
use super::dry_run::DryRunArgs;
use super::listed::{divergence, stock_target};
use super::quality_args::QualityArgs;
use super::recover::Recover;
use super::short_help::FIRST;
use super::training_args::{DISTILLATION, TRAINING, TrainingArgs};
use super::transform_args::TransformArgs;
use super::watch_args::WatchArgs;
use crate::{Error, locate};
use clap::{ArgGroup, Args};
use dress_core::{Divergence, StockTarget};
use dress_train::{DistillationConfig, LoraConfig, RecoverConfig, RunDirectory, TrainConfig, Trainable};
use std::path::PathBuf;
use std::time::Instant;

/// The low-rank factors that are trained.
#[derive(Debug, Args)]
struct FactorArgs {
    /// The rank of the factors beside each matrix.
    #[arg(long, help_heading = TRAINING, default_value_t = LoraConfig::default().rank, value_parser = at_least_one)]
    lora_rank: usize,
    /// What the factors' product is multiplied by, times the rank; by default twice the rank.
    #[arg(long, help_heading = TRAINING)]
    lora_alpha: Option<f64>,
    /// The share of the factors' inputs that is left out of each step.
    #[arg(long, help_heading = TRAINING, default_value_t = LoraConfig::default().dropout)]
    lora_dropout: f64,
    /// The projections that get factors, with commas, as q_proj,v_proj; by default all inside the layers.
    #[arg(long, help_heading = TRAINING, value_delimiter = ',')]
    lora_targets: Vec<String>,
}

impl FactorArgs {
    fn config(&self) -> LoraConfig {
        let usual = LoraConfig::of_rank(self.lora_rank);
        LoraConfig {
            rank: usual.rank,
            alpha: self.lora_alpha.unwrap_or(usual.alpha),
            dropout: self.lora_dropout,
            targets: self.lora_targets.clone(),
        }
    }
}

/// Options of `dress recover`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(FIRST).multiple(true).args([
    "model", "out", "calibration", "samples", "lora_rank", "learning_rate", "epochs", "validate", "dry_run",
]))]
pub struct RecoverArgs {
    #[command(flatten)]
    checkpoint: TransformArgs,
    /// Train all weights instead of low-rank factors.
    #[arg(long, help_heading = TRAINING, group = FIRST, conflicts_with = "FactorArgs")]
    full: bool,
    #[command(flatten)]
    factors: FactorArgs,
    /// Learn from what this dense model says of the text too.
    #[arg(long, help_heading = DISTILLATION, group = FIRST, value_name = "MODEL")]
    distill_from: Option<PathBuf>,
    /// How much that counts, from 0 to 1, beside the text's own tokens.
    #[arg(long, help_heading = DISTILLATION, default_value_t = DistillationConfig::default().alpha, requires = "distill_from")]
    distill_alpha: f64,
    /// The temperature at which distributions are compared.
    #[arg(long, help_heading = DISTILLATION, default_value_t = DistillationConfig::default().temperature, requires = "distill_from")]
    distill_temperature: f64,
    /// Compute the dense model's outputs once, to a file, instead of in every step.
    #[arg(long, help_heading = DISTILLATION, requires = "distill_from")]
    distill_cache: bool,
    /// In which direction the distributions are compared.
    #[arg(
        long,
        help_heading = DISTILLATION,
        default_value_t = DistillationConfig::default().divergence,
        requires = "distill_from",
        value_parser = divergence()
    )]
    distill_divergence: Divergence,
    /// Whose rules the shape of the checkpoint keeps.
    #[arg(long, help_heading = RESULT, default_value_t = StockTarget::default(), value_parser = stock_target())]
    target: StockTarget,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    quality: QualityArgs,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

impl RecoverArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let began = Instant::now();
        let recover = self.settings()?;
        if self.dry_run.dry_run { recover.dry_run() } else { recover.run(began) }
    }

    /// What they ask for.
    fn settings(&self) -> Result<Recover, Error> {
        Ok(Recover {
            checkpoint: self.checkpoint.settings()?,
            config: self.config(),
            quality: self.quality.settings(self.checkpoint.calibration.text_field.as_deref()),
            teacher_given: self.distill_from.clone(),
            tensorboard: self.watch.tensorboard.clone(),
            teacher: self.distill_from.as_deref().map(locate).transpose()?,
            target: self.target,
        })
    }

    fn config(&self) -> RecoverConfig {
        let common = &self.checkpoint.common;
        let directory = RunDirectory::beside(&self.checkpoint.out);
        let usual = RecoverConfig::of_weights(common.compute.dtype.dtype()).in_directory(&directory);
        let train = TrainConfig {
            trainable: self.trainable(),
            replace_other_run: self.checkpoint.force,
            ..self.training.config(usual.train, common.seed)
        };
        let distill = DistillationConfig {
            alpha: self.distill_alpha,
            temperature: self.distill_temperature,
            divergence: self.distill_divergence,
            ..usual.distill
        };
        RecoverConfig { distill, cache: self.distill_cache, train }
    }

    fn trainable(&self) -> Trainable {
        if self.full {
            return Trainable::All;
        }
        Trainable::Lora(self.factors.config())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};
    use dress_models::FloatType;
    use dress_train::{CheckpointEvery, Precision};
    use std::path::Path;

    fn of_the_command(options: &[&str]) -> RecoverConfig {
        let command = RecoverArgs::augment_args(Command::new("recover").no_binary_name(true));
        let words = ["--model", "x", "--out", "y"].iter().chain(options);
        RecoverArgs::from_arg_matches(&command.get_matches_from(words)).unwrap().config()
    }

    #[test]
    fn the_command_s_settings_are_the_library_s_for_every_type_of_weights() {
        let directory = RunDirectory::beside(Path::new("y"));
        for name in FloatType::NAMES {
            let dtype: FloatType = name.parse().unwrap();
            let library = RecoverConfig::of_weights(dtype.dtype()).in_directory(&directory);
            assert_eq!(of_the_command(&["--dtype", name]), library, "{name}");
        }
        assert_eq!(of_the_command(&[]), RecoverConfig::default().in_directory(&directory));
    }

    #[test]
    fn what_is_given_stands_above_the_library_s_settings() {
        let given =
            ["--dtype", "bf16", "--precision", "as-is", "--checkpoint-every", "7", "--full", "--force"];
        let train = of_the_command(&given).train;
        assert_eq!((train.precision, train.trainable), (Precision::AsIs, Trainable::All));
        assert_eq!(train.checkpoint_every, Some(CheckpointEvery::Steps(7)));
        assert!(train.replace_other_run);
        assert_eq!(of_the_command(&["--checkpoint-every", "0"]).train.checkpoint_every, None);
    }
}
