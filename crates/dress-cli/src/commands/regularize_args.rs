//! The options of the regularization.

use super::common_args::at_least_one;
use super::listed::{gate_norms, local_inputs, penalty};
use super::training_args::{DistillArgs, TrainingArgs};
use crate::Error;
use crate::option_groups::of_group;
use clap::parser::ValueSource;
use clap::{ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use dress_core::Basis;
use dress_models::FloatType;
use dress_prune::{LocalInputs, PenaltyForm, RegularizeConfig, usual_learning_rate};
use dress_regularize::{ComponentWeights, GateNorms, PenaltyKind, Schedule, SlotChoice};
use dress_train::{LoraConfig, Precision, TrainConfig, Trainable};
use std::collections::BTreeSet;

/// The group of options that mean nothing without a regularization, but for those of low-rank factors.
pub(super) const REGULARIZES: &str = "regularizes";

/// The group of options of the penalty on weights, which mean nothing where none are penalised.
pub(super) const PENALISES: &str = "penalises";

/// The group of those of them that a penalty on activations has as well.
const ALSO_OF_ACTIVATIONS: &str = "also_of_activations";

/// The group of those of them that choose what is trained with `--kept-only` as well.
const ALSO_OF_KEPT_ONLY: &str = "also_of_kept_only";

/// The group of options with which no weights are penalised, unless `--penalty-in-loss` asks for it.
pub(super) const PENALISES_NOTHING: &str = "penalises_nothing";

/// The options of [`PENALISES`] that are given, by their names to clap. They have the library's defaults, so
/// that a value does not say whether its option was given.
#[derive(Debug)]
struct GivenOfPenalty(BTreeSet<String>);

impl GivenOfPenalty {
    fn of(matches: &ArgMatches) -> Self {
        let given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        Self(of_group(&options(), PENALISES).into_iter().filter(given).map(String::from).collect())
    }

    /// One of them that is in none of `groups`.
    fn outside(&self, groups: &[&str]) -> Option<&str> {
        let options = options();
        let is_outside =
            |id: &&String| groups.iter().all(|group| !of_group(&options, group).contains(&id.as_str()));
        self.0.iter().find(is_outside).map(String::as_str)
    }
}

impl FromArgMatches for GivenOfPenalty {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self::of(matches))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::of(matches).0);
        Ok(())
    }
}

/// It has no options of its own.
impl Args for GivenOfPenalty {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

/// The options of a regularization and nothing else, with what its groups hold.
fn options() -> Command {
    let mut command = RegularizeArgs::augment_args(Command::new("regularize"));
    command.build();
    command
}

/// Low-rank factors that are trained in place of weights.
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularization")]
pub(super) struct LoraArgs {
    /// With a gate, train low-rank factors of this rank beside the matrices inside the layers, and no other
    /// weights; they need a higher --learning-rate, such as 3e-3 in the checkpoint's own basis.
    #[arg(long, requires = "gate", conflicts_with = "kept_only", value_parser = at_least_one)]
    lora_rank: Option<usize>,
    /// What the factors' product is multiplied by, times the rank; by default twice the rank.
    #[arg(long, requires = "lora_rank")]
    lora_alpha: Option<f64>,
    /// The projections that get factors, with commas, as q_proj,v_proj; by default all inside the layers.
    #[arg(long, requires = "lora_rank", value_delimiter = ',')]
    lora_targets: Vec<String>,
}

/// The regularization's options; the defaults are those of [`RegularizeConfig`], with
/// [`usual_learning_rate`].
#[derive(Debug, Args)]
#[command(next_help_heading = "Regularization")]
#[command(group = ArgGroup::new(REGULARIZES).multiple(true))]
#[command(group = ArgGroup::new(PENALISES).multiple(true))]
#[command(group = ArgGroup::new(ALSO_OF_ACTIVATIONS).multiple(true))]
#[command(group = ArgGroup::new(ALSO_OF_KEPT_ONLY).multiple(true))]
#[command(group = ArgGroup::new(PENALISES_NOTHING).multiple(true))]
pub(super) struct RegularizeArgs {
    // The first, since the others take their values out of what clap has read.
    #[command(flatten)]
    given_of_penalty: GivenOfPenalty,
    /// The penalty.
    #[arg(
        long,
        default_value_t = RegularizeConfig::default().penalty,
        groups = [PENALISES, ALSO_OF_ACTIVATIONS, REGULARIZES],
        value_parser = penalty()
    )]
    penalty: PenaltyKind,
    /// Add the penalty to the loss, the paper's form, instead of proximal steps.
    #[arg(long, group = REGULARIZES, conflicts_with = "no_penalty")]
    penalty_in_loss: bool,
    /// Penalise no weights: with a gate or a penalty on activations, or to fine-tune before slicing.
    #[arg(long, groups = [PENALISES_NOTHING, REGULARIZES])]
    no_penalty: bool,
    /// The penalty's strength. Proximal: structures are zero after 1/lambda of the steps.
    #[arg(long, default_value_t = RegularizeConfig::default().lambda, groups = [PENALISES, REGULARIZES])]
    lambda: f64,
    /// How the strength changes.
    #[arg(
        long,
        help = format!(
            "How the strength changes: {}; linear:0.2 for a ramp over a fifth of the steps",
            Schedule::NAMES.join(", ")
        ),
        default_value_t = RegularizeConfig::default().schedule,
        groups = [PENALISES, ALSO_OF_ACTIVATIONS, REGULARIZES]
    )]
    schedule: Schedule,
    /// Divide a penalty in the loss by what it is at the start, so that one lambda does for every model.
    #[arg(long, group = REGULARIZES)]
    normalize_penalty: bool,
    /// The weight of a penalty on what the selected structures compute, in the loss.
    #[arg(long, group = REGULARIZES, default_value_t = 0.0)]
    activations: f64,
    /// Multiply what is selected by a gate that closes as the schedule says, such as cosine:0.2; without a
    /// penalty unless one is asked for with --penalty-in-loss.
    #[arg(long, groups = [PENALISES_NOTHING, REGULARIZES], value_name = "SCHEDULE")]
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
    /// Regularize one layer at a time, so that it adds to the residual stream what the dense layer adds, and
    /// not the whole model on the text. For neurons and heads, and with --local-inputs dense for the width;
    /// best with --compensate ridge and several --epochs.
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
    #[arg(long, groups = [PENALISES, ALSO_OF_KEPT_ONLY, REGULARIZES])]
    writers_only: bool,
    /// Weight of the attention's parameters in the penalty.
    #[arg(long, default_value_t = ComponentWeights::default().attention, groups = [PENALISES, REGULARIZES])]
    attention_weight: f64,
    /// Weight of the feed-forward networks' parameters in the penalty.
    #[arg(long, default_value_t = ComponentWeights::default().ffn, groups = [PENALISES, REGULARIZES])]
    ffn_weight: f64,
    /// Weight of all other parameters in the penalty.
    #[arg(long, default_value_t = ComponentWeights::default().rest, groups = [PENALISES, REGULARIZES])]
    rest_weight: f64,
    #[command(flatten)]
    distill: DistillArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

impl RegularizeArgs {
    /// What options are whose default follows from others, so that clap cannot know it.
    pub(super) fn usual_values(&self, basis: Basis) -> Vec<(&'static str, String)> {
        let mut usual = vec![("learning-rate", usual_learning_rate(basis).to_string())];
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

    /// The settings of a run that keeps nothing, for weights of type `dtype`. What follows from the basis is
    /// settled by whoever knows it.
    ///
    /// # Errors
    /// [`Error::OptionUnused`] where an option was given that the others leave without effect.
    pub(super) fn config(&self, dtype: FloatType, seed: u64) -> Result<RegularizeConfig, Error> {
        self.check_used()?;
        Ok(RegularizeConfig {
            penalty: self.penalty,
            own_penalty: None,
            form: self.form(),
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
            local: self.local.then(|| self.local_inputs.unwrap_or_default()),
            train: TrainConfig {
                trainable: self.trainable(),
                ..self.training.config(TrainConfig::of_weights(dtype.dtype()), seed)
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
        let of_others = [(activations, ALSO_OF_ACTIVATIONS), (self.kept_only, ALSO_OF_KEPT_ONLY)];
        let of_others: Vec<&str> =
            of_others.into_iter().filter(|(used, _)| *used).map(|(_, group)| group).collect();
        match self.given_of_penalty.outside(&of_others) {
            Some(id) => {
                let option = format!("--{}", id.replace('_', "-"));
                Err(Error::OptionUnused { option, why: why.into(), remedy })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn config(words: &[&str]) -> Option<RegularizeConfig> {
        let command = RegularizeArgs::augment_args(Command::new("regularize").no_binary_name(true));
        let matches = command.try_get_matches_from(words).ok()?;
        RegularizeArgs::from_arg_matches(&matches).ok()?.config(FloatType::F32, 1).ok()
    }

    /// An option as it may be given, with other values than its default.
    fn words(arg: &Arg) -> Vec<String> {
        let long = arg.get_long().unwrap();
        if !arg.get_action().takes_values() {
            return vec![format!("--{long}")];
        }
        let listed: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_string()).collect();
        let values = if listed.is_empty() { vec!["0.5".into(), "linear:0.5".into()] } else { listed };
        let is_usual = |value: &String| arg.get_default_values().iter().any(|usual| usual == value.as_str());
        values.into_iter().filter(|value| !is_usual(value)).map(|value| format!("--{long}={value}")).collect()
    }

    #[test]
    fn where_no_weights_are_penalised_an_option_is_refused_or_changes_something_else() {
        let base = ["--gate", "cosine", "--local"];
        let usual = config(&base).unwrap();
        let options = options();
        let penalises_nothing = of_group(&options, PENALISES_NOTHING);
        let changes = |with: RegularizeConfig| {
            let RegularizeConfig { penalty, lambda, schedule, weights, slots, .. } = usual.clone();
            RegularizeConfig { penalty, lambda, schedule, weights, slots, ..with } != usual
        };
        let mut taken = 0;
        for id in of_group(&options, REGULARIZES).into_iter().filter(|id| !penalises_nothing.contains(id)) {
            let arg = options.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            let with = |word: &String| config(&[&base[..], &[word.as_str()]].concat());
            let changed: Vec<bool> = words(arg).iter().filter_map(with).map(changes).collect();
            assert!(changed.is_empty() || changed.contains(&true), "--{id} does nothing");
            taken += usize::from(!changed.is_empty());
        }
        assert!(taken > 5);
    }

    #[test]
    fn an_option_is_given_or_not_whatever_its_value() {
        let usual = RegularizeConfig::default().lambda.to_string();
        assert!(config(&["--no-penalty"]).is_some());
        assert!(config(&["--no-penalty", "--lambda", &usual]).is_none());
        assert!(config(&["--no-penalty", "--penalty=l1"]).is_none());
        assert!(config(&["--no-penalty", "--penalty=l1", "--activations=1"]).is_some());
        assert!(config(&["--no-penalty", "--lambda=1", "--activations=1"]).is_none());
        assert!(config(&["--no-penalty", "--writers-only", "--kept-only"]).is_some());
    }
}
