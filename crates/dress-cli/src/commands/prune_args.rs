//! The options of `dress prune`.

use super::by_parts_args::ByPartsArgs;
use super::common_args::{HOW_IT_RUNS, SAID_BY_A_PLAN, at_least_one};
use super::listed::{basis, compensation};
use super::prune::Prune;
use super::quality::QualitySettings;
use super::regularize_args::{REGULARIZES, RegularizeArgs};
use super::select_args::{HOW_MUCH, SelectArgs};
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
    /// Settings from a TOML file: the names of options as keys, lists as lists, and true for what takes no
    /// value. What the command line says stands above them.
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
    /// A plan made before on the same checkpoint, by score or prune: what it selected goes, and nothing is
    /// scored.
    #[arg(long, value_name = "FILE", group = HOW_MUCH, conflicts_with = SAID_BY_A_PLAN)]
    plan: Option<PathBuf>,
    /// The coordinates in which the width is sliced: the checkpoint's own; the principal components of what
    /// the layers read, which a tied head is untied for; or those that leave it tied. By default principal
    /// components where they cost no parameters, and identity with --criterion.
    #[arg(long, group = SAID_BY_A_PLAN, value_parser = basis())]
    basis: Option<Basis>,
    /// How projections behind sliced neurons and heads make up for them. By default none, and ridge where
    /// prune finds what goes.
    #[arg(long, value_parser = compensation())]
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
    use dress_core::{AxisKind, CausalLm, Ratio};
    use dress_models::{FloatType, LoadConfig};
    use dress_prune::{Measure, RatioOf, Sizes};
    use std::collections::{BTreeMap, BTreeSet};

    /// Checkpoints of each family: the models that ship, and small ones of every `model_type`.
    fn families() -> BTreeMap<String, Vec<PathBuf>> {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut families: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for place in ["../examples/models", "dress-models/tests/fixtures"] {
            for entry in std::fs::read_dir(crates.join(place)).unwrap() {
                let path = entry.unwrap().path();
                let Ok(config) = std::fs::read_to_string(path.join("config.json")) else { continue };
                let config: serde_json::Value = serde_json::from_str(&config).unwrap();
                let family = match place.starts_with("dress-models") {
                    true => config["model_type"].as_str().unwrap().to_string(),
                    false => path.file_name().unwrap().to_string_lossy().into_owned(),
                };
                families.entry(family).or_default().push(path);
            }
        }
        families
    }

    /// What the command resolves with these options and those that it needs.
    fn of_the_command(model: &Path, dtype: FloatType, options: &str) -> Result<PruneJob, String> {
        let command = PruneArgs::augment_args(Command::new("prune").no_binary_name(true));
        let (model, dtype) = (model.display().to_string(), dtype.to_string());
        let needed = ["--model", &model, "--dtype", &dtype, "--calibration", "x", "--out", "y"];
        let words = needed.into_iter().chain(options.split(' '));
        let args = PruneArgs::from_arg_matches(&command.get_matches_from(words)).unwrap();
        let Prune { checkpoint, run, .. } =
            args.settings(QualitySettings::default()).map_err(|error| error.to_string())?;
        run.job(&checkpoint).map_err(|error| error.to_string())
    }

    /// What the library's recommended run of the same resolves to.
    fn of_the_library(model: &Path, dtype: FloatType, recipe: &Recipe) -> Result<PruneJob, String> {
        let checkpoint = Checkpoint::open(model).unwrap();
        let device = dress_machine::device::parse("auto").unwrap();
        PruneJob::new(checkpoint, recipe, LoadConfig { dtype }, device).map_err(|error| error.to_string())
    }

    /// All that a job does, for comparison.
    fn all_of(job: Result<PruneJob, String>) -> Result<String, String> {
        job.map(|job| format!("{:#?} {:#?}", job.resolved, job.sampling))
    }

    /// Every way to say how much goes: as options, and as the library has it.
    fn ways(plan: &Path, declared: &AnyModel) -> Vec<(String, Recipe)> {
        use AxisKind::{Ffn, Heads, Residual};
        let half = || HowMuch::Ratios(vec![Ratio::new(0.5).unwrap()]);
        let own: Vec<RatioOf> = ["ffn=0.5", "heads=0.25"].map(|ratio| ratio.parse().unwrap()).to_vec();
        let (measure, share) = (Measure::Parameters, 0.8);
        let planned = HowMuch::Planned(Box::new(read_plan(plan, declared).unwrap()));
        let ways = [
            ("--axis residual,heads --ratio 0.5".to_string(), vec![Residual, Heads], half()),
            ("--axis ffn --ratio 0.5".into(), vec![Ffn], half()),
            ("--axis residual,heads,ffn --ratio 0.5".into(), vec![Residual, Heads, Ffn], half()),
            ("--ratio ffn=0.5,heads=0.25".into(), Vec::new(), HowMuch::RatiosOf(own)),
            ("--axis ffn --params 0.8".into(), vec![Ffn], HowMuch::Stays { measure, share }),
            ("--params 0.8".into(), Vec::new(), HowMuch::Searched { measure, share }),
            ("--max-perplexity 1.5x".into(), Vec::new(), HowMuch::Within { measure, times: 1.5 }),
            (format!("--plan {}", plan.display()), Vec::new(), planned),
        ];
        let recipe = |(options, axes, how_much)| (options, Recipe::new(axes, how_much));
        ways.into_iter().map(recipe).collect()
    }

    #[test]
    fn the_command_resolves_what_the_library_does_for_every_family() {
        let (place, families) = (tempfile::tempdir().unwrap(), families());
        assert!(families.len() >= 17, "{families:?}");
        let mut resolved = BTreeSet::new();
        for (family, model) in
            families.iter().flat_map(|(family, all)| all.iter().map(move |one| (family, one)))
        {
            let declared = Checkpoint::open(model).unwrap().declared().clone();
            let layers: BTreeMap<String, [usize; 2]> =
                (0..declared.num_layers()).map(|layer| (format!("ffn.{layer}"), [3, 7])).collect();
            let plan = place.path().join("plan.json");
            std::fs::write(&plan, serde_json::json!({ "selection": layers }).to_string()).unwrap();
            for (way, (options, recipe)) in ways(&plan, &declared).into_iter().enumerate() {
                for dtype in [FloatType::F32, FloatType::Bf16] {
                    let command = all_of(of_the_command(model, dtype, &options));
                    let library = all_of(of_the_library(model, dtype, &recipe));
                    assert_eq!(command, library, "{family}, {dtype}: {options}");
                    if command.is_ok() {
                        resolved.insert((family.clone(), way));
                    }
                }
            }
        }
        // What both refuse says nothing: every family and every way has to be among the others.
        let is_there = |family: &String| resolved.iter().any(|(other, _)| other == family);
        assert!(families.keys().all(is_there), "{resolved:?}");
        assert_eq!(resolved.iter().map(|(_, way)| way).collect::<BTreeSet<_>>().len(), 8, "{resolved:?}");
    }

    #[test]
    fn what_is_searched_for_is_refitted_and_trained_where_training_is_asked_for() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv");
        let of = |options: &str| {
            let job = of_the_command(&model, FloatType::F32, &format!("--params 0.8{options}")).unwrap();
            let config = job.resolved.config;
            (config.compensation, config.regularize.map(|settings| settings.train.epochs))
        };
        assert_eq!(of(""), (Compensation::Ridge, None));
        assert_eq!(of(" --epochs 2"), (Compensation::Ridge, Some(2)));
        assert_eq!(of(" --learning-rate 1e-3"), (Compensation::Ridge, Some(1)));
        assert_eq!(of(" --compensate none --no-regularize"), (Compensation::None, None));
    }

    #[test]
    fn a_rule_that_is_given_leaves_sizes_as_they_are_asked_for_as_in_the_library() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/llama3-kjv");
        let of = |more: &str| {
            let options = format!("--axis ffn --ratio 0.4{more}");
            of_the_command(&model, FloatType::F32, &options).unwrap().resolved
        };
        assert!(of("").size_rounding.is_some_and(|sizes| sizes.is_rounded()));
        let recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.4).unwrap()]));
        let recipe = Recipe { sizes: Sizes::AsAsked, ..recipe };
        let as_asked = of_the_library(&model, FloatType::F32, &recipe).unwrap().resolved;
        for rule in [" --target all", " --tile 1"] {
            let given = of(rule);
            assert_eq!((&given.config, &given.size_rounding), (&as_asked.config, &None), "{rule}");
        }
    }
}
