//! The options of `dress ablate`.

use super::ablate::Ablate;
use super::base_options::Base;
use super::control_options::controls;
use super::dry_run::DryRunArgs;
use super::given_options::Given;
use super::short_help::FIRST;
use super::study_args::{EVALUATION, StudyTextArgs};
use super::written_setting::{Together, WrittenSetting, WrittenVary};
use crate::{Error, locate};
use clap::{ArgGroup, Args};
use dress_core::published_paths;
use dress_models::{Checkpoint, published_name};
use dress_study::Subject;
use dress_study::ablation::{Ablation, AblationStudy, DescribedRun, Variant, combinations};
use std::path::{Path, PathBuf};

/// Options of `dress ablate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(FIRST).multiple(true).args([
    "model", "out", "calibration", "data", "axis", "ratio", "dry_run",
]))]
pub struct AblateArgs {
    /// An option of prune and the values to try, as lambda=1,5,20: one option at a time, all else as given
    /// here. on and off for an option without a value, none to leave one out, + between the parts of a list
    /// (axis=residual+ffn).
    #[arg(long, value_name = "OPTION=VALUES", group = FIRST)]
    vary: Vec<WrittenVary>,
    /// One more row with several settings together, as gate=cosine:0.2,learning-rate=1e-4.
    #[arg(long, value_name = "SETTINGS", group = FIRST)]
    also: Vec<Together>,
    /// All combinations of what is varied, instead of one option at a time.
    #[arg(long)]
    grid: bool,
    /// Seeds: every row is run with each, and the table has means and ranges.
    #[arg(long, value_delimiter = ',', group = FIRST, conflicts_with = "seed")]
    seeds: Vec<u64>,
    /// Three more rows: the model sliced without training, trained after slicing, and trained without a
    /// penalty before.
    #[arg(long, group = FIRST)]
    control: bool,
    #[command(flatten)]
    texts: StudyTextArgs,
    /// Another text to evaluate on, that nothing was calibrated on.
    #[arg(long, help_heading = EVALUATION)]
    unseen: Option<PathBuf>,
    /// Runs one cell in this process, as this command does for each.
    #[arg(long, hide = true)]
    cell: Option<String>,
    #[command(flatten)]
    dry_run: DryRunArgs,
    #[command(flatten)]
    base: Base,
}

impl AblateArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let ablate = self.settings()?;
        if self.dry_run.dry_run { ablate.dry_run() } else { ablate.run() }
    }

    /// What they ask for. Behind this point a row is a recipe, and nothing is parsed any more.
    fn settings(&self) -> Result<Ablate, Error> {
        if self.base.prune.is_by_parts() {
            return Err(Error::OptionUnused {
                option: "--stream, --layers or --streams".into(),
                why: "in an ablation, which measures whole models".into(),
                remedy: "leave it out",
            });
        }
        let base = &self.base.prune.checkpoint;
        let checkpoint = Checkpoint::at(locate(&base.model)?)?;
        let texts = self.texts.texts(self.unseen.as_deref(), base.calibration.text_field.as_deref())?;
        let subject = Subject::new(checkpoint, &texts)?;
        let variants = self.variants(&subject)?;
        let context = base.common.context()?;
        let study = AblationStudy {
            dense: context.compute,
            seeds: self.seeds(),
            model: published_name(&base.model),
            base: self.base.given.published(),
            base_of_varied: self.base_of_varied(&variants[0]),
            ..AblationStudy::new(subject, variants, &base.out)
        };
        let (cell, output) = (self.cell.clone(), context.output);
        Ok(Ablate { study, cell, anew: base.force, output })
    }

    fn seeds(&self) -> Vec<u64> {
        let mut seeds = Vec::new();
        for &seed in &self.seeds {
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
        if seeds.is_empty() { vec![self.base.prune.checkpoint.common.seed] } else { seeds }
    }

    /// The rows, the base first.
    fn variants(&self, subject: &Subject) -> Result<Vec<Variant>, Error> {
        let base = &self.base.given;
        let mut rows = vec![(Ablation::BASE.to_string(), base.clone())];
        let vary: Vec<_> = self.vary.iter().map(|WrittenVary(vary)| vary.clone()).collect();
        let also: Vec<Vec<WrittenSetting>> =
            self.also.iter().map(|Together(settings)| settings.clone()).collect();
        for settings in combinations(&vary, &also, self.grid) {
            let published: Vec<String> =
                settings.iter().map(|setting| published_paths(&setting.to_string())).collect();
            let name = untaken(&published.join(" "), |name| rows.iter().any(|(taken, _)| taken == name));
            let given =
                settings.iter().try_fold(base.clone(), |given, setting| given.with(setting, &name))?;
            rows.push((name, given));
        }
        if self.control {
            rows.extend(
                controls(base)?.into_iter().map(|(control, given)| (control.name().to_string(), given)),
            );
        }
        rows.into_iter().map(|(name, given)| self.variant(name, &given, subject)).collect()
    }

    fn variant(&self, name: String, given: &Given, subject: &Subject) -> Result<Variant, Error> {
        let base = &self.base.prune.checkpoint;
        let (args, written) = given.args(&name, &base.model, &base.out, base.common.seed)?;
        args.checkpoint.calibration.text_read_again()?;
        let refused = |error: Error| Error::SettingOfRow { row: name.clone(), reason: error.to_string() };
        let run = args.run_on(subject.declared()).map_err(refused)?;
        let usual = args.usual_values(run.recipe.basis(subject.declared()));
        let usual = usual.into_iter().map(|(option, value)| (option.into(), value));
        let engines = args.engines().iter().map(|file| sha256(file)).collect::<Result<Vec<_>, Error>>()?;
        let engines = (!engines.is_empty()).then(|| ("engines".to_string(), engines.join(",")));
        let described = DescribedRun {
            settings: usual.chain(written).chain(engines).collect(),
            plan_sha256: args.plan().map(sha256).transpose()?,
            costs_sha256: args.costs().map(sha256).transpose()?,
        };
        Ok(Variant { name, run, described })
    }

    /// What the base has for each option that is varied, where it was not given.
    fn base_of_varied(&self, base: &Variant) -> Vec<String> {
        let mut options: Vec<&str> = Vec::new();
        for WrittenVary(vary) in &self.vary {
            let known = options.contains(&vary.name.as_str()) || self.base.given.has(&vary.name);
            if !known {
                options.push(&vary.name);
            }
        }
        let value = |option: &&str| {
            let value = base.described.settings.get(&option.replace('_', "-"));
            value.map_or(format!("{option} left out"), |value| match value.as_str() {
                "false" => format!("{option}=off"),
                value => format!("{option}={value}"),
            })
        };
        options.iter().map(value).collect()
    }
}

/// The name of a row, with a number where one before it has that name: files of one name in two places are
/// two rows.
fn untaken(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let (mut free, mut number) = (name.to_string(), 1);
    while is_taken(&free) {
        number += 1;
        free = format!("{name} ({number})");
    }
    free
}

fn sha256(path: &Path) -> Result<String, Error> {
    dress_core::files::sha256(path).map_err(|cause| Error::Io { path: path.into(), cause })
}
