//! The options that every subcommand has, and those that several share.

use super::listed::{axis_kind, criterion, draw, float_type};
use super::served_by_args::ServedByArgs;
use super::shape_args::ShapeArgs;
use super::written_ratio::WrittenRatio;
use crate::{CostsFile, Error, Output, Pass, RunContext};
use clap::{ArgGroup, Args, ValueEnum};
use dress_core::{AxisKind, Draw, Ratio};
use dress_importance::Criterion;
use dress_models::{AnyModel, FloatType};
use dress_prune::{HowMuch, Load, Measure, Protected, RatioOf, Recipe, Sampling};
use dress_study::{ComputeSettings, TextSource};
use std::path::{Path, PathBuf};

/// How far measured costs may be from the measurements without a word.
const DOUBTFUL: f64 = 0.05;

/// Where to compute, and as what.
#[derive(Debug, Clone, Args)]
pub struct ComputeArgs {
    /// Where to compute.
    #[arg(
        long,
        help = format!("Where to compute: {}; a card by its number n", dress_machine::device::NAMES),
        default_value = "auto"
    )]
    pub device: String,
    /// The type of the weights in memory.
    #[arg(long, default_value = "f32", value_parser = float_type())]
    pub dtype: FloatType,
}

/// The group of options that say nothing of one result: the seed, of which a study has several, and the form
/// of what is printed.
pub(super) const OF_THE_COMMAND: &str = "of_the_command";

/// The heading of where and how a command runs. Clap puts an option without a heading of its own under that
/// of the options before it, so those that stand behind a flattened group have one.
pub(super) const HOW_IT_RUNS: &str = "Where and how it runs";

/// The heading of what comes of a command, and of where it goes.
pub(super) const RESULT: &str = "The result";

/// The options of every subcommand.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = HOW_IT_RUNS)]
#[command(group = ArgGroup::new(OF_THE_COMMAND).multiple(true))]
pub struct CommonArgs {
    #[command(flatten)]
    pub(super) compute: ComputeArgs,
    /// Seed of everything that is drawn.
    #[arg(long, group = OF_THE_COMMAND, default_value_t = usual().seed)]
    pub seed: u64,
    /// Print one JSON object on standard output; everything else goes to standard error.
    #[arg(long, group = OF_THE_COMMAND)]
    pub json: bool,
}

impl CommonArgs {
    /// What they ask for, with the device seeded.
    ///
    /// # Errors
    /// Those of [`dress_machine::device::parse`].
    pub(super) fn context(&self) -> Result<RunContext, Error> {
        let device = dress_machine::device::parse(&self.compute.device)?;
        device.seed(self.seed);
        let compute = ComputeSettings { device, dtype: self.compute.dtype };
        Ok(RunContext { compute, seed: self.seed, output: Output::new(self.json) })
    }
}

/// The options of which one alone says how much goes.
pub(super) const HOW_MUCH: &str = "how_much";

/// The group of options that a plan made before has the answers to.
pub(super) const SAID_BY_A_PLAN: &str = "said_by_a_plan";

/// The heading of the budgets: what of the model stays, where a ratio is of what goes.
const STAYS: &str = "How much stays, in place of --ratio";

/// What goes, and by which criterion.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What goes")]
#[command(group = ArgGroup::new(HOW_MUCH).required(true))]
#[command(group = ArgGroup::new(SAID_BY_A_PLAN).multiple(true))]
pub struct SelectArgs {
    /// What to remove, several with commas (OPT and Phi: residual,heads together). Without it, and with a
    /// budget such as --params, prune finds how much of which layers' neurons and heads goes by measuring the
    /// loss.
    #[arg(long, group = SAID_BY_A_PLAN, value_delimiter = ',', value_parser = axis_kind())]
    pub axis: Vec<AxisKind>,
    /// The share to remove, in [0, 1): one for all axes, one for each with commas, or each with its axis and
    /// where layers differ their numbers, as ffn.0-3=0,ffn=0.3. What stays is the nearest number that the
    /// checkpoint's config can say.
    #[arg(long, value_delimiter = ',', groups = [HOW_MUCH, SAID_BY_A_PLAN], allow_negative_numbers = true)]
    pub ratio: Vec<WrittenRatio>,
    /// What stays, whatever its scores: layers=0-3,28 with all that is in them, heads=5.2 (head group 2 of
    /// layer 5), ffn=5.100-120 or residual=17; may be given several times.
    #[arg(long, group = SAID_BY_A_PLAN, value_name = "WHAT")]
    pub protect: Vec<Protected>,
    /// Instead of --ratio: the share of the parameters that stays, shared out over the axes to within half a
    /// percent.
    #[arg(long, help_heading = STAYS, value_parser = share, groups = [HOW_MUCH, SAID_BY_A_PLAN])]
    pub params: Option<f64>,
    /// Instead of --ratio: the share of the multiplications a token makes with weights that stays.
    #[arg(long, help_heading = STAYS, value_parser = share, groups = [HOW_MUCH, SAID_BY_A_PLAN])]
    pub flops: Option<f64>,
    /// Instead of --ratio: the share of the weights' bytes that stays; with --for, of those that the engines
    /// serve.
    #[arg(long, help_heading = STAYS, value_parser = share, groups = [HOW_MUCH, SAID_BY_A_PLAN])]
    pub bytes: Option<f64>,
    /// Instead of --ratio: the share of a forward pass's time that stays, by the costs in --costs.
    #[arg(long, help_heading = STAYS, value_parser = share, groups = [HOW_MUCH, SAID_BY_A_PLAN], requires = "costs")]
    pub latency: Option<f64>,
    /// Instead of --ratio: the smallest model whose perplexity on calibration blocks held back is at most so
    /// many times the checkpoint's, as 1.1x. Neurons and heads go, or what of them --axis says.
    #[arg(long, help_heading = STAYS, value_name = "TIMES", value_parser = times, groups = [HOW_MUCH, SAID_BY_A_PLAN])]
    pub max_perplexity: Option<f64>,
    /// The costs that dress costs measured of the checkpoint, on whatever machine the result is for.
    #[arg(long, help_heading = STAYS, group = SAID_BY_A_PLAN, value_name = "FILE", requires = "latency")]
    pub costs: Option<PathBuf>,
    /// Which pass --latency is of.
    #[arg(
        long,
        help = format!("Which pass --latency is of; by default {}", written(&Pass::default())),
        help_heading = STAYS,
        group = SAID_BY_A_PLAN,
        value_enum,
        requires = "latency"
    )]
    pub latency_of: Option<Pass>,
    #[command(flatten)]
    pub shape: ShapeArgs,
    #[command(flatten)]
    pub served_by: ServedByArgs,
    /// How structures are scored; depth by block-influence, sleb or random, everything else by the others.
    /// Both with a comma. By default activation-norm, and block-influence for depth.
    #[arg(long, group = SAID_BY_A_PLAN, value_delimiter = ',', value_parser = criterion())]
    pub criterion: Vec<Criterion>,
    /// Let layers differ: what goes is ranked over all layers, with a budget over all axes as well, by scores
    /// less their mean and over their deviation. For --target dress alone.
    #[arg(long, group = SAID_BY_A_PLAN)]
    pub per_layer: bool,
}

impl SelectArgs {
    /// What is asked for of the checkpoint that `dense` declares: the command's defaults are those of
    /// [`Recipe::new`].
    ///
    /// # Errors
    /// Those of [`CostsFile::read`] and of [`ServedByArgs::formats`].
    pub fn recipe(&self, dense: &AnyModel, seed: u64) -> Result<Recipe, Error> {
        let recipe = Recipe::new(self.axis.clone(), self.how_much(dense)?);
        Ok(Recipe {
            criteria: self.criterion.clone(),
            stock: self.shape.rules.target,
            tile: self.shape.rules.tile,
            served_by: self.served_by.formats()?,
            sizes: self.shape.sizes(),
            per_layer: self.per_layer,
            protected: self.protect.iter().cloned().fold(Protected::default(), Protected::and),
            seed,
            ..recipe
        })
    }

    fn how_much(&self, dense: &AnyModel) -> Result<HowMuch, Error> {
        let measures =
            [(Measure::Parameters, self.params), (Measure::Macs, self.flops), (Measure::Bytes, self.bytes)];
        let given = match self.latency.zip(self.costs.as_deref()) {
            Some((share, path)) => Some((self.measured(path, dense)?, share)),
            None => measures.into_iter().find_map(|(measure, share)| Some((measure, share?))),
        };
        if let Some(times) = self.max_perplexity {
            return Ok(HowMuch::Within { measure: Measure::Parameters, times });
        }
        Ok(match given {
            Some((measure, share)) if self.axis.is_empty() => HowMuch::Searched { measure, share },
            Some((measure, share)) => HowMuch::Stays { measure, share },
            None => self.ratios()?,
        })
    }

    /// Ratios that name their axes, or those of the axes in their order.
    fn ratios(&self) -> Result<HowMuch, Error> {
        let named: Vec<RatioOf> = self.ratio.iter().filter_map(|ratio| ratio.named()).collect();
        let plain: Vec<Ratio> = self.ratio.iter().filter_map(|ratio| ratio.plain()).collect();
        match (named.is_empty(), plain.is_empty()) {
            (false, false) => Err(Error::RatiosOfBothKinds),
            (false, true) => Ok(HowMuch::RatiosOf(named)),
            (true, false) if self.axis.is_empty() => Err(Error::NoAxis),
            (true, _) => Ok(HowMuch::Ratios(plain)),
        }
    }

    /// The costs at `path`, with a warning where they are far from what they were fitted to.
    fn measured(&self, path: &Path, dense: &AnyModel) -> Result<Measure, Error> {
        let (file, pass) = (CostsFile::read(path, Load::of(dense))?, self.latency_of.unwrap_or_default());
        let worst = file.worst(pass);
        if worst > DOUBTFUL {
            let (path, percent) = (path.display(), 100.0 * worst);
            tracing::warn!("{path}: the costs are {percent:.0}% off at one of the shapes that were measured");
        }
        Ok(Measure::Latency(file.of(pass)))
    }
}

/// The text that scoring and regularization see.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Calibration")]
pub struct CalibrationArgs {
    /// The corpus: text, JSON, CSV or Parquet, also compressed; a folder, several with commas, - for standard
    /// input, or a mixture as a.jsonl:0.7,b.parquet:0.3. Never the text that will be evaluated.
    #[arg(long)]
    pub calibration: Option<PathBuf>,
    /// The field of --calibration's rows that is their text, and of --data's where the command has one.
    #[arg(long = "text-field", id = "calibration_text_field", value_name = "NAME", requires = "calibration")]
    pub text_field: Option<String>,
    /// Blocks drawn from it.
    #[arg(long, default_value_t = Sampling::default().samples, value_parser = samples)]
    pub samples: usize,
    /// Tokens a block.
    #[arg(long, help = tokens_of_a_block(Sampling::USUAL_SEQLEN))]
    pub seqlen: Option<usize>,
    /// How blocks are drawn: blocks of the text as it stands that do not overlap; or rows, each from a line
    /// drawn at random on with empty lines dropped, as SliceGPT, SparseGPT and Wanda calibrate.
    #[arg(long, default_value_t = Sampling::default().draw, value_parser = draw())]
    pub draw: Draw,
}

impl CalibrationArgs {
    /// How blocks are drawn.
    pub fn sampling(&self) -> Sampling {
        Sampling { samples: self.samples, seqlen: self.seqlen, draw: self.draw }
    }

    /// The text, where there is one.
    pub fn text(&self) -> Option<TextSource> {
        let path = self.calibration.clone()?;
        Some(TextSource { path, text_field: self.text_field.clone() })
    }
}

/// What is asked for where nothing is said.
pub(super) fn usual() -> Recipe {
    Recipe::new(Vec::new(), HowMuch::Ratios(Vec::new()))
}

/// A value that clap lists, as it is written.
fn written(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
}

/// The help of how long blocks are, that are `usual` tokens where nothing is said.
pub(super) fn tokens_of_a_block(usual: usize) -> String {
    format!("Tokens a block; by default {usual}, or what the model has positions for")
}

/// How many times the checkpoint's perplexity, with or without an x behind it.
fn times(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', 'X']).parse::<f64>() {
        Ok(times) if times > 1.0 && times.is_finite() => Ok(times),
        _ => Err("expected a number above 1, as 1.1x: how many times the checkpoint's perplexity".into()),
    }
}

/// A count of which there has to be one.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    counted(text, 1_000_000_000)
}

/// A count of which there may be none.
pub(super) fn or_none(text: &str) -> Result<usize, String> {
    if text == "0" { Ok(0) } else { counted(text, 1_000_000) }
}

/// A count of blocks that are all in memory at once.
pub(super) fn samples(text: &str) -> Result<usize, String> {
    counted(text, 1_000_000)
}

/// A whole number from 1 to `most`, which is far above any use and far below what overflows a product of two.
fn counted(text: &str, most: usize) -> Result<usize, String> {
    let expected = format!("expected a whole number from 1 to {most}");
    match text.parse() {
        Ok(0) => Err("it has to be at least 1".into()),
        Ok(count) if count <= most => Ok(count),
        // Also where it is too large for any number.
        _ => Err(expected),
    }
}

/// A share between none and all.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a number above 0 and below 1, the share that stays".into()),
    }
}
