//! The options of `dress prune`.

use super::by_parts_args::ByPartsArgs;
use super::common_args::{HOW_IT_RUNS, HOW_MUCH, SAID_BY_A_PLAN, SelectArgs, at_least_one};
use super::listed::listed;
use super::prune::Prune;
use super::quality::QualitySettings;
use super::regularize_args::{REGULARIZES, RegularizeArgs};
use super::transform_args::TransformArgs;
use crate::{Error, locate, read_plan};
use clap::Args;
use dress_core::Basis;
use dress_models::{AnyModel, Checkpoint};
use dress_prune::{Compensation, HowMuch, Recipe, RegularizeConfig};
use dress_study::ablation::PruneRun;
use std::path::{Path, PathBuf};

/// Where options come from beside the command line.
#[derive(Debug, Args)]
pub struct SettingsFileArgs {
    /// Settings from a TOML file: the names of options as keys, lists as lists, and true for what takes no value. What the command line
    /// says stands above them.
    #[arg(long, help_heading = HOW_IT_RUNS, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The options of `dress prune` that say what a run does.
#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    pub(super) checkpoint: TransformArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// A plan made before on the same checkpoint, by score or prune: what it selected goes, and nothing is scored.
    #[arg(long, value_name = "FILE", group = HOW_MUCH, conflicts_with = SAID_BY_A_PLAN)]
    plan: Option<PathBuf>,
    /// The coordinates in which the width is sliced: the checkpoint's own; the principal components of what the layers
    /// read, which a tied head is untied for; or those that leave it tied. By default principal components where they
    /// cost no parameters, and identity with --criterion.
    #[arg(long, group = SAID_BY_A_PLAN, value_parser = listed::<Basis>(Basis::NAMES))]
    basis: Option<Basis>,
    /// How projections behind sliced neurons and heads make up for them. By default none, and ridge where prune finds what
    /// goes.
    #[arg(long, value_parser = listed::<Compensation>(Compensation::NAMES))]
    compensate: Option<Compensation>,
    /// Slice at once, without regularizing first.
    #[arg(long, conflicts_with_all = [REGULARIZES, "LoraArgs", "DistillArgs", "TrainingArgs"])]
    no_regularize: bool,
    /// Reach the ratio in so many rounds of score, regularize and slice, each as long as one alone.
    #[arg(long, default_value_t = 1, value_parser = at_least_one, group = SAID_BY_A_PLAN)]
    rounds: usize,
    #[command(flatten)]
    settings_file: SettingsFileArgs,
    #[command(flatten)]
    by_parts: ByPartsArgs,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

impl PruneArgs {
    /// What they ask for, measured as `quality` says.
    pub(super) fn settings(&self, quality: QualitySettings) -> Result<Prune, Error> {
        let TransformArgs { model, out, force, common, .. } = &self.checkpoint;
        let checkpoint = Checkpoint::at(locate(model)?)?;
        let run = self.run_on(checkpoint.declared())?;
        let (by_parts, output) = (self.by_parts.settings(), common.context()?.output);
        Ok(Prune {
            model: model.clone(),
            checkpoint,
            run,
            quality,
            tensorboard: None,
            out: out.clone(),
            force: *force,
            by_parts,
            output,
        })
    }

    /// The run that they ask for, of the checkpoint that `dense` declares; it keeps nothing while it goes on.
    ///
    /// # Errors
    /// Those of [`SelectArgs::recipe`], of reading a plan, and [`Error::OptionUnused`].
    pub(super) fn run_on(&self, dense: &AnyModel) -> Result<PruneRun, Error> {
        let TransformArgs { calibration, common, .. } = &self.checkpoint;
        let recipe = self.recipe(dense)?;
        Ok(PruneRun { recipe, calibration: calibration.text(), compute: common.context()?.compute })
    }

    fn recipe(&self, dense: &AnyModel) -> Result<Recipe, Error> {
        let common = &self.checkpoint.common;
        let selected = self.select.recipe(dense, common.seed)?;
        let how_much = match &self.plan {
            Some(path) => HowMuch::Planned(Box::new(read_plan(path, dense)?)),
            None => selected.how_much,
        };
        let regularize = match self.no_regularize {
            true => None,
            false => self.regularization()?.or(selected.regularize),
        };
        Ok(Recipe {
            how_much,
            basis: self.basis,
            compensation: self.compensate.unwrap_or(selected.compensation),
            regularize,
            learning_rate: self.regularize.learning_rate(),
            precision: self.regularize.precision(),
            rounds: self.rounds,
            sampling: self.checkpoint.calibration.sampling(),
            ..selected
        })
    }

    /// The regularization, where anything is said of it or of its training.
    fn regularization(&self) -> Result<Option<RegularizeConfig>, Error> {
        let common = &self.checkpoint.common;
        let settings = |args: &RegularizeArgs| args.config(common.compute.dtype, common.seed);
        let given = settings(&self.regularize)?;
        let is_said =
            self.regularize.learning_rate().is_some() || given != settings(&RegularizeArgs::usual())?;
        Ok(is_said.then_some(given))
    }

    /// Whether one layer at a time is to be in memory.
    pub(super) fn is_by_parts(&self) -> bool {
        self.by_parts.settings().is_some()
    }

    /// The plan's file, where there is one.
    pub(super) fn plan(&self) -> Option<&Path> {
        self.plan.as_deref()
    }

    /// The file of costs, where there is one.
    pub(super) fn costs(&self) -> Option<&Path> {
        self.select.costs.as_deref()
    }

    /// The files of engines.
    pub(super) fn engines(&self) -> &[PathBuf] {
        self.select.served_by.files()
    }

    /// What options are that were not given and have no default of their own, in `basis`.
    pub(super) fn usual_values(&self, basis: Basis) -> Vec<(&'static str, String)> {
        self.regularize.usual_values(basis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches};
    use dress::PruneJob;
    use dress_core::{AxisKind, Ratio};
    use dress_models::LoadConfig;

    /// What the command resolves of a family that ships, with no option but those that it needs.
    fn of_the_command(model: &Path, axes: &str) -> PruneJob {
        let command = PruneArgs::augment_args(Command::new("prune").no_binary_name(true));
        let model = model.display().to_string();
        let words = ["--model", &model, "--axis", axes, "--ratio", "0.5", "--calibration", "x", "--out", "y"];
        let args = PruneArgs::from_arg_matches(&command.get_matches_from(words)).unwrap();
        let Prune { checkpoint, run, .. } = args.settings(QualitySettings::default()).unwrap();
        run.job(&checkpoint).unwrap()
    }

    fn of_the_library(model: &Path, axes: &str) -> PruneJob {
        let axes: Vec<AxisKind> = axes.split(',').map(|axis| axis.parse().unwrap()).collect();
        let recipe = Recipe::new(axes, HowMuch::Ratios(vec![Ratio::new(0.5).unwrap()]));
        let checkpoint = Checkpoint::open(model).unwrap();
        let device = dress_machine::device::parse("auto").unwrap();
        PruneJob::new(checkpoint, &recipe, LoadConfig::default(), device).unwrap()
    }

    #[test]
    fn the_command_resolves_what_the_library_does_for_every_family() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models");
        for family in ["llama3-kjv", "llama2-kjv", "opt-kjv", "phi2-kjv"] {
            for axes in ["residual,heads", "ffn", "residual,heads,ffn"] {
                let (command, library) =
                    (of_the_command(&models.join(family), axes), of_the_library(&models.join(family), axes));
                assert_eq!(command.resolved.config, library.resolved.config, "{family} {axes}");
                assert_eq!(command.resolved.criteria.name(), library.resolved.criteria.name());
                assert_eq!(command.sampling, library.sampling);
                assert_eq!(command.resolved.rounds, library.resolved.rounds);
            }
        }
    }
}
