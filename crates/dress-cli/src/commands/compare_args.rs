//! The options of `dress compare`.

use super::CommonArgs;
use super::common_args::{CalibrationArgs, RESULT, at_least_one};
use super::compare::Compare;
use super::dry_run::DryRunArgs;
use super::listed::{axis_kind, criterion, preset, stock_target};
use super::regularize_args::RegularizeArgs;
use super::served_by_args::ServedByArgs;
use super::short_help::FIRST;
use super::study_args::{EVALUATION, StudyTextArgs};
use crate::{Error, locate};
use clap::{ArgGroup, Args, ValueEnum};
use dress_core::{AxisKind, Ratio, StockTarget};
use dress_importance::Criterion;
use dress_models::Checkpoint;
use dress_prune::Preset;
use dress_study::Subject;
use dress_study::comparison::{CellId, ComparisonSettings, ComparisonStudy, RatioOf};
use std::path::PathBuf;

/// The heading of what is compared.
const COMPARED: &str = "What is compared";

/// What ratios are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The parameters of the model as it is: every method ends at the same size.
    Params,
    /// Every axis that a method prunes.
    #[value(alias = "width")]
    Axes,
}

impl From<RatioOf> for By {
    fn from(of: RatioOf) -> Self {
        match of {
            RatioOf::Parameters => Self::Params,
            RatioOf::EveryAxis => Self::Axes,
        }
    }
}

impl From<By> for RatioOf {
    fn from(by: By) -> Self {
        match by {
            By::Params => Self::Parameters,
            By::Axes => Self::EveryAxis,
        }
    }
}

/// What is compared where nothing is said.
fn usual() -> ComparisonSettings {
    ComparisonSettings::new(Vec::new())
}

/// Options of `dress compare`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(FIRST).multiple(true).args(["calibration", "data", "samples", "dry_run"]))]
pub struct CompareArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long, group = FIRST)]
    model: PathBuf,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// The methods.
    #[arg(long, help_heading = COMPARED, group = FIRST, value_delimiter = ',', default_values_t = usual().presets, value_parser = preset())]
    presets: Vec<Preset>,
    /// The shares that go.
    #[arg(long, help_heading = COMPARED, group = FIRST, value_delimiter = ',', required = true)]
    ratios: Vec<Ratio>,
    /// Of what ratios are.
    #[arg(long, help_heading = COMPARED, group = FIRST, value_enum, default_value_t = By::from(usual().by))]
    by: By,
    #[command(flatten)]
    texts: StudyTextArgs,
    /// Another text to evaluate on, that nothing was calibrated on.
    #[arg(long, help_heading = EVALUATION, group = FIRST)]
    unseen: Option<PathBuf>,
    /// Calibration blocks of sleb, which goes over them again and again.
    #[arg(long, help_heading = COMPARED, default_value_t = usual().search_samples, value_parser = at_least_one)]
    search_samples: usize,
    /// Calibration blocks of dress, which trains on them; by default --samples.
    #[arg(long, help_heading = COMPARED, value_parser = at_least_one)]
    train_samples: Option<usize>,
    /// What dress prunes, several with commas.
    #[arg(long, help_heading = COMPARED, value_delimiter = ',', default_values_t = usual().dress_axes, value_parser = axis_kind())]
    dress_axis: Vec<AxisKind>,
    /// By what dress selects.
    #[arg(long, help_heading = COMPARED, default_value_t = usual().dress_criterion, value_parser = criterion())]
    dress_criterion: Criterion,
    /// Whose rules the shapes keep. Nothing is saved, and these crates' own come nearest to equal sizes; flap
    /// and llm-pruner have no other.
    #[arg(long, help_heading = COMPARED, default_value_t = usual().stock, value_parser = stock_target())]
    target: StockTarget,
    #[command(flatten, next_help_heading = COMPARED)]
    served_by: ServedByArgs,
    /// Round what stays of every axis to a multiple of this.
    #[arg(long, help_heading = COMPARED, default_value_t = usual().tile, value_parser = at_least_one)]
    tile: usize,
    /// Where the results go: compare.json, compare.md, compare.svg, compare.png, report.json, report.md,
    /// report.html, and a file a cell, which is used again by the next run with the same settings.
    #[arg(long, help_heading = RESULT, group = FIRST)]
    out: PathBuf,
    /// Runs one cell in this process, as this command does for each.
    #[arg(long, hide = true)]
    cell: Option<CellId>,
    #[command(flatten)]
    dry_run: DryRunArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

impl CompareArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let compare = self.settings()?;
        if self.dry_run.dry_run { compare.dry_run() } else { compare.run() }
    }

    /// What they ask for.
    fn settings(&self) -> Result<Compare, Error> {
        let checkpoint = Checkpoint::at(locate(&self.model)?)?;
        let texts = self.texts.texts(self.unseen.as_deref(), self.calibration.text_field.as_deref())?;
        let subject = Subject::new(checkpoint, &texts)?;
        let calibration = self.calibration.text_read_again()?;
        let context = self.common.context()?;
        let study = ComparisonStudy::new(subject, self.compared()?, context.compute, &self.out)
            .calibration(calibration);
        Ok(Compare { study, cell: self.cell, output: context.output })
    }

    fn compared(&self) -> Result<ComparisonSettings, Error> {
        let usual = ComparisonSettings::new(self.ratios.clone());
        let trains = self.presets.iter().any(|preset| preset.trains());
        let regularize = match trains {
            true => self.regularize.config(self.common.compute.dtype, self.common.seed)?,
            false => usual.regularize.clone(),
        };
        Ok(ComparisonSettings {
            presets: self.presets.clone(),
            by: self.by.into(),
            stock: self.target,
            tile: self.tile,
            served_by: self.served_by.formats()?,
            seed: self.common.seed,
            sampling: self.calibration.sampling(),
            search_samples: self.search_samples,
            train_samples: self.train_samples,
            dress_axes: self.dress_axis.clone(),
            dress_criterion: self.dress_criterion,
            regularize,
            learning_rate: self.regularize.learning_rate(),
            precision: self.regularize.precision(),
            ..usual
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_every_axis_have_a_former_name() {
        for name in ["axes", "width"] {
            assert_eq!(By::from_str(name, false), Ok(By::Axes), "{name}");
        }
        let listed: Vec<_> = By::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<&str> = listed.iter().map(|value| value.get_name()).collect();
        assert_eq!(names, ["params", "axes"]);
    }
}
