//! The options that say what goes, and how much of it.

use super::common_args::SAID_BY_A_PLAN;
use super::listed::{axis_kind, criterion};
use super::served_by_args::ServedByArgs;
use super::shape_args::ShapeArgs;
use super::written_ratio::WrittenRatio;
use crate::{CostsFile, Error, Pass};
use clap::{ArgGroup, Args, ValueEnum};
use dress_core::{AxisKind, Ratio};
use dress_importance::Criterion;
use dress_models::AnyModel;
use dress_prune::{HowMuch, Load, Measure, Protected, RatioOf, Recipe};
use std::path::{Path, PathBuf};

/// How far measured costs may be from the measurements without a word.
const DOUBTFUL: f64 = 0.05;

/// The options of which one alone says how much goes.
pub(super) const HOW_MUCH: &str = "how_much";

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
    /// Both with a comma. By default activation-norm, and block-influence for depth; a search by default goes
    /// by what the loss is expected to feel.
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

/// A value that clap lists, as it is written.
fn written(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
}

/// How many times the checkpoint's perplexity, with or without an x behind it.
fn times(text: &str) -> Result<f64, String> {
    match text.trim_end_matches(['x', 'X']).parse::<f64>() {
        Ok(times) if times > 1.0 && times.is_finite() => Ok(times),
        _ => Err("expected a number above 1, as 1.1x: how many times the checkpoint's perplexity".into()),
    }
}

/// A share between none and all.
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("expected a number above 0 and below 1, the share that stays".into()),
    }
}
