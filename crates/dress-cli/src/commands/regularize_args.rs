//! The options of the regularization.

use super::training_args::{DistillArgs, TrainingArgs};
use clap::Args;
use dress_prune::RegularizeConfig;
use dress_regularize::{ComponentWeights, GateNorms, PenaltyKind, Schedule, SlotChoice};
use dress_train::PenaltyForm;
use std::path::PathBuf;

/// The options of [`RegularizeArgs`] that mean nothing without a regularization.
pub(super) const REGULARIZE_OPTIONS: [&str; 15] = [
    "penalty",
    "penalty_in_loss",
    "no_penalty",
    "lambda",
    "schedule",
    "normalize_penalty",
    "activations",
    "gate",
    "gate_norms",
    "no_slice_early",
    "kept_only",
    "writers_only",
    "attention_weight",
    "ffn_weight",
    "rest_weight",
];

/// The regularization's options; the defaults are those of [`RegularizeConfig`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularization")]
pub(super) struct RegularizeArgs {
    /// The penalty: l1, l2 or group.
    #[arg(long, default_value_t = RegularizeConfig::default().penalty)]
    penalty: PenaltyKind,
    /// Add the penalty to the loss, the paper's form, instead of proximal steps.
    #[arg(long, conflicts_with = "no_penalty")]
    penalty_in_loss: bool,
    /// Penalise no weights: with a gate or a penalty on activations, or to fine-tune before slicing.
    #[arg(long)]
    no_penalty: bool,
    /// The penalty's strength. Proximal: structures are zero after 1/lambda of the steps.
    #[arg(long, default_value_t = RegularizeConfig::default().lambda)]
    lambda: f64,
    /// How the strength changes: constant, linear, cosine or growing; linear:0.2 for a ramp over a fifth of the steps.
    #[arg(long, default_value_t = RegularizeConfig::default().schedule)]
    schedule: Schedule,
    /// Divide a penalty in the loss by what it is at the start, so that one lambda does for every model.
    #[arg(long)]
    normalize_penalty: bool,
    /// The weight of a penalty on what the selected structures compute, in the loss.
    #[arg(long, default_value_t = 0.0)]
    activations: f64,
    /// Multiply what is selected by a gate that closes as the schedule says, such as cosine:0.2; without a penalty
    /// unless one is asked for with --penalty-in-loss.
    #[arg(long, value_name = "SCHEDULE")]
    gate: Option<Schedule>,
    /// What the gate does to the norms' statistics: fixed, over all channels, or count, over kept + g^2 removed.
    #[arg(long, default_value_t = GateNorms::default(), requires = "gate")]
    gate_norms: GateNorms,
    /// Slice at the end, and not as soon as nothing selected is left.
    #[arg(long)]
    no_slice_early: bool,
    /// Train only the weights that stay.
    #[arg(long)]
    kept_only: bool,
    /// Act only on what writes the selected structures, not on what reads them too.
    #[arg(long)]
    writers_only: bool,
    /// Weight of the attention's parameters in the penalty.
    #[arg(long, default_value_t = 1.0)]
    attention_weight: f64,
    /// Weight of the feed-forward networks' parameters in the penalty.
    #[arg(long, default_value_t = 1.0)]
    ffn_weight: f64,
    /// Weight of all other parameters in the penalty.
    #[arg(long, default_value_t = 1.0)]
    rest_weight: f64,
    #[command(flatten)]
    distill: DistillArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

impl RegularizeArgs {
    pub(super) fn config(&self, seed: u64, run_dir: PathBuf) -> RegularizeConfig {
        let form = match (self.penalty_in_loss, self.no_penalty || self.gate.is_some()) {
            (true, _) => PenaltyForm::Loss,
            (false, true) => PenaltyForm::Off,
            (false, false) => PenaltyForm::Proximal,
        };
        RegularizeConfig {
            penalty: self.penalty,
            form,
            lambda: self.lambda,
            schedule: self.schedule,
            weights: ComponentWeights {
                attention: self.attention_weight,
                ffn: self.ffn_weight,
                rest: self.rest_weight,
            },
            slots: if self.writers_only { SlotChoice::Writers } else { SlotChoice::All },
            normalize: self.normalize_penalty,
            activations: self.activations,
            gate: self.gate,
            gate_norms: self.gate_norms,
            slice_early: !self.no_slice_early,
            kept_only: self.kept_only,
            distill: self.distill.config(),
            train: self.training.config(seed, run_dir),
        }
    }
}
