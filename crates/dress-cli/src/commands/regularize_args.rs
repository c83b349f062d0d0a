//! The options of the regularization.

use super::common_args::at_least_one;
use super::listed::{gate_norms, listed, local_inputs};
use super::training_args::{DistillArgs, TrainingArgs};
use crate::Error;
use clap::{ArgGroup, Args, Command, FromArgMatches};
use dress_core::Basis;
use dress_models::FloatType;
use dress_prune::{LocalInputs, PenaltyForm, RegularizeConfig, usual_learning_rate};
use dress_regularize::{ComponentWeights, GateNorms, PenaltyKind, Schedule, SlotChoice};
use dress_train::{LoraConfig, Precision, TrainConfig, Trainable};

/// The group of options that mean nothing without a regularization, but for those of low-rank factors.
pub(super) const REGULARIZES: &str = "regularizes";

/// The group of options of the penalty on weights, which mean nothing where none are penalised.
pub(super) const PENALISES: &str = "penalises";

/// Low-rank factors that are trained in place of weights.
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularization")]
pub(super) struct LoraArgs {
    /// With a gate, train low-rank factors of this rank beside the matrices inside the layers, and no other weights;
    /// they need a higher --learning-rate, such as 3e-3 in the checkpoint's own basis.
    #[arg(long, requires = "gate", conflicts_with = "kept_only", value_parser = at_least_one)]
    lora_rank: Option<usize>,
    /// What the factors' product is multiplied by, times the rank; by default twice the rank.
    #[arg(long, requires = "lora_rank")]
    lora_alpha: Option<f64>,
    /// The projections that get factors, with commas, as q_proj,v_proj; by default all inside the layers.
    #[arg(long, requires = "lora_rank", value_delimiter = ',')]
    lora_targets: Vec<String>,
}

/// The regularization's options; the defaults are those of [`RegularizeConfig`], with [`usual_learning_rate`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularization")]
#[command(group = ArgGroup::new(REGULARIZES).multiple(true))]
#[command(group = ArgGroup::new(PENALISES).multiple(true))]
pub(super) struct RegularizeArgs {
    #[arg(
        long,
        help = format!("The penalty; by default {}", RegularizeConfig::default().penalty),
        groups = [PENALISES, REGULARIZES],
        value_parser = listed::<PenaltyKind>(PenaltyKind::NAMES)
    )]
    penalty: Option<PenaltyKind>,
    /// Add the penalty to the loss, the paper's form, instead of proximal steps.
    #[arg(long, group = REGULARIZES, conflicts_with = "no_penalty")]
    penalty_in_loss: bool,
    /// Penalise no weights: with a gate or a penalty on activations, or to fine-tune before slicing.
    #[arg(long, group = REGULARIZES)]
    no_penalty: bool,
    #[arg(
        long,
        help = format!(
            "The penalty's strength, {} by default. Proximal: structures are zero after 1/lambda of the steps",
            RegularizeConfig::default().lambda
        ),
        groups = [PENALISES, REGULARIZES]
    )]
    lambda: Option<f64>,
    #[arg(
        long,
        help = format!(
            "How the strength changes: {}, by default {}; linear:0.2 for a ramp over a fifth of the steps",
            Schedule::NAMES.join(", "),
            RegularizeConfig::default().schedule
        ),
        groups = [PENALISES, REGULARIZES]
    )]
    schedule: Option<Schedule>,
    /// Divide a penalty in the loss by what it is at the start, so that one lambda does for every model.
    #[arg(long, group = REGULARIZES)]
    normalize_penalty: bool,
    /// The weight of a penalty on what the selected structures compute, in the loss.
    #[arg(long, group = REGULARIZES, default_value_t = 0.0)]
    activations: f64,
    /// Multiply what is selected by a gate that closes as the schedule says, such as cosine:0.2; without a penalty
    /// unless one is asked for with --penalty-in-loss.
    #[arg(long, group = REGULARIZES, value_name = "SCHEDULE")]
    gate: Option<Schedule>,
    /// Over which channels the norms' statistics are while the gate closes.
    #[arg(long, group = REGULARIZES, default_value_t = GateNorms::default(), requires = "gate", value_parser = gate_norms())]
    gate_norms: GateNorms,
    /// Slice at the end, and not as soon as nothing selected is left.
    #[arg(long, group = REGULARIZES)]
    no_slice_early: bool,
    /// Train only the weights that stay.
    #[arg(long, group = REGULARIZES)]
    kept_only: bool,
    /// Regularize one layer at a time, so that it adds to the residual stream what the dense layer adds, and not the whole
    /// model on the text. For neurons and heads, and with --local-inputs dense for the width; best with --compensate ridge and several --epochs.
    #[arg(long, group = REGULARIZES, conflicts_with = "distill")]
    local: bool,
    #[arg(
        long,
        help = format!("What a layer reads that is regularized alone; by default {}", LocalInputs::default()),
        group = REGULARIZES,
        requires = "local",
        value_parser = local_inputs()
    )]
    local_inputs: Option<LocalInputs>,
    #[command(flatten)]
    factors: LoraArgs,
    /// Act only on what writes the selected structures, not on what reads them too.
    #[arg(long, groups = [PENALISES, REGULARIZES])]
    writers_only: bool,
    #[arg(long, help = weight_of("the attention's parameters", usual_weights().attention), groups = [PENALISES, REGULARIZES])]
    attention_weight: Option<f64>,
    #[arg(long, help = weight_of("the feed-forward networks' parameters", usual_weights().ffn), groups = [PENALISES, REGULARIZES])]
    ffn_weight: Option<f64>,
    #[arg(long, help = weight_of("all other parameters", usual_weights().rest), groups = [PENALISES, REGULARIZES])]
    rest_weight: Option<f64>,
    #[command(flatten)]
    distill: DistillArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

fn usual_weights() -> ComponentWeights {
    RegularizeConfig::default().weights
}

/// The help of the weight of some parameters.
fn weight_of(what: &str, usual: f64) -> String {
    format!("Weight of {what} in the penalty, {usual} by default")
}

impl RegularizeArgs {
    /// What options are that have no default on the command line, since giving them is more than their value, or their default
    /// follows from others.
    pub(super) fn usual_values(&self, basis: Basis) -> Vec<(&'static str, String)> {
        let RegularizeConfig { lambda, weights, penalty, schedule, .. } = RegularizeConfig::default();
        let mut usual = vec![
            ("lambda", lambda.to_string()),
            ("attention-weight", weights.attention.to_string()),
            ("ffn-weight", weights.ffn.to_string()),
            ("rest-weight", weights.rest.to_string()),
            ("penalty", penalty.to_string()),
            ("schedule", schedule.to_string()),
            ("learning-rate", usual_learning_rate(basis).to_string()),
        ];
        usual.extend(
            self.factors.lora_rank.map(|rank| ("lora-alpha", LoraConfig::of_rank(rank).alpha.to_string())),
        );
        usual
    }

    /// Those of a command line that says nothing of them.
    pub(super) fn usual() -> Self {
        let command = Self::augment_args(Command::new("usual").no_binary_name(true));
        let matches = command.get_matches_from(std::iter::empty::<&str>());
        Self::from_arg_matches(&matches).expect("every option has a default or none")
    }

    /// The highest learning rate, where one is given.
    pub(super) fn learning_rate(&self) -> Option<f64> {
        self.training.learning_rate()
    }

    /// The precision of steps, where one is given.
    pub(super) fn precision(&self) -> Option<Precision> {
        self.training.precision()
    }

    /// The settings of a run that keeps nothing, for weights of type `dtype`. What follows from the basis is settled by whoever
    /// knows it.
    ///
    /// # Errors
    /// [`Error::OptionUnused`] where an option was given that the others leave without effect.
    pub(super) fn config(&self, dtype: FloatType, seed: u64) -> Result<RegularizeConfig, Error> {
        self.check_used()?;
        let usual = RegularizeConfig::default();
        Ok(RegularizeConfig {
            penalty: self.penalty.unwrap_or(usual.penalty),
            form: self.form(),
            lambda: self.lambda.unwrap_or(usual.lambda),
            schedule: self.schedule.unwrap_or(usual.schedule),
            weights: ComponentWeights {
                attention: self.attention_weight.unwrap_or(usual.weights.attention),
                ffn: self.ffn_weight.unwrap_or(usual.weights.ffn),
                rest: self.rest_weight.unwrap_or(usual.weights.rest),
            },
            slots: if self.writers_only { SlotChoice::Writers } else { SlotChoice::All },
            normalize: self.normalize_penalty,
            activations: self.activations,
            gate: self.gate,
            gate_norms: self.gate_norms,
            slice_early: !self.no_slice_early,
            kept_only: self.kept_only,
            distill: self.distill.config(),
            local: self.local.then(|| self.local_inputs.unwrap_or_default()),
            train: TrainConfig {
                trainable: self.trainable(),
                ..self.training.config(usual.train.learning_rate.peak, dtype, seed)
            },
        })
    }

    fn trainable(&self) -> Trainable {
        self.factors.lora_rank.map_or(Trainable::All, |rank| {
            let usual = LoraConfig::of_rank(rank);
            let alpha = self.factors.lora_alpha.unwrap_or(usual.alpha);
            Trainable::Lora(LoraConfig { alpha, targets: self.factors.lora_targets.clone(), ..usual })
        })
    }

    fn form(&self) -> PenaltyForm {
        match (self.penalty_in_loss, self.no_penalty || self.gate.is_some()) {
            (true, _) => PenaltyForm::Loss,
            (false, true) => PenaltyForm::Off,
            (false, false) => PenaltyForm::Proximal,
        }
    }

    /// Refuses what would be ignored.
    fn check_used(&self) -> Result<(), Error> {
        let (form, activations) = (self.form(), self.activations > 0.0);
        if self.normalize_penalty && form != PenaltyForm::Loss && !activations {
            return Err(Error::OptionUnused {
                option: "--normalize-penalty".into(),
                why: "without a penalty in the loss".into(),
                remedy: "give --penalty-in-loss or --activations too, or leave it out",
            });
        }
        if form != PenaltyForm::Off {
            return Ok(());
        }
        let (why, remedy) = match self.gate {
            Some(_) => {
                ("with --gate, which penalises no weights", "give --penalty-in-loss too, or leave it out")
            }
            None => ("with --no-penalty", "leave out one of the two"),
        };
        let ignored = [
            ("--lambda", self.lambda.is_some()),
            ("--attention-weight", self.attention_weight.is_some()),
            ("--ffn-weight", self.ffn_weight.is_some()),
            ("--rest-weight", self.rest_weight.is_some()),
            ("--penalty", self.penalty.is_some() && !activations),
            ("--schedule", self.schedule.is_some() && !activations),
            ("--writers-only", self.writers_only && !self.kept_only),
        ];
        match ignored.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Error::OptionUnused { option: option.into(), why: why.into(), remedy }),
            None => Ok(()),
        }
    }
}
