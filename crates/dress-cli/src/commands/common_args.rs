//! The options that every subcommand has, and those that several share.

use super::listed::{draw, float_type};
use crate::{Error, Output, RunContext};
use clap::{ArgGroup, Args};
use dress_core::Draw;
use dress_models::FloatType;
use dress_prune::{HowMuch, Recipe, Sampling};
use dress_study::{ComputeSettings, TextSource};
use std::path::PathBuf;

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

/// The group of options that a plan made before has the answers to.
pub(super) const SAID_BY_A_PLAN: &str = "said_by_a_plan";

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

/// The help of how long blocks are, that are `usual` tokens where nothing is said.
pub(super) fn tokens_of_a_block(usual: usize) -> String {
    format!("Tokens a block; by default {usual}, or what the model has positions for")
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
