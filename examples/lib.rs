//! What the `prune_*` examples share: dense, pruned directly and DReSS, side by side.
//!
//! With no arguments an example prunes the small model that ships in `models`, calibrated on Luke and
//! evaluated on Acts; `--model DIR --data FILE` does the same to any checkpoint.

#[cfg(test)]
mod claims;

use clap::Parser;
use dress::terminal::{Table, TerminalProgress};
use dress::{Checkpoint, PruneJob, any_model};
use dress_core::{AxisKind, Basis, Calibration, Draw, Ratio, StockTarget, parameters};
use dress_data::{BlockConfig, Corpus, CorpusFormat, evaluation_blocks};
use dress_eval::PerplexityConfig;
use dress_models::{AnyModel, LoadConfig};
use dress_prune::{HowMuch, Recipe, Sampling};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is particular to a family.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The directory in `models` of the model that ships.
    pub shipped: &'static str,
    /// What goes, all by the same ratio.
    pub axes: &'static [AxisKind],
    /// Whose rules the result keeps.
    pub stock: StockTarget,
}

/// The examples' arguments.
#[derive(Debug, Parser)]
struct Args {
    /// A checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long, requires = "data")]
    model: Option<PathBuf>,
    /// A text to calibrate on.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A text to evaluate on; without it, the last fifth of --data.
    #[arg(long, requires = "data")]
    heldout: Option<PathBuf>,
    /// The share to remove.
    #[arg(long, default_value = "0.25")]
    ratio: Ratio,
    /// Calibration blocks.
    #[arg(long, default_value_t = 512)]
    samples: usize,
    /// Tokens a block.
    #[arg(long, default_value_t = 256)]
    seqlen: usize,
    /// AdamW's highest learning rate; by default what did best in the basis that is sliced in.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// The most blocks to evaluate on.
    #[arg(long, default_value_t = 64)]
    max_blocks: usize,
    /// Where to compute.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Prunes one model directly and with DReSS, and prints both beside the dense one.
///
/// # Errors
/// Those of reading, pruning and evaluating.
pub fn run(family: Family) -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let model = args.model.clone().unwrap_or_else(|| models.join(family.shipped));
    let checkpoint = Checkpoint::open(&model)?;
    let (text, heldout) = args.texts(&models.join("kjv"))?;
    let blocks = BlockConfig::new(args.seqlen).max_blocks(Some(args.max_blocks));
    let evaluation = evaluation_blocks(&heldout, &checkpoint.tokenizer()?, &blocks)?;

    let (load, device) = (LoadConfig::default(), dress_machine::device::parse(&args.device)?);
    let mut table = Table::new(&["model", "parameters", "perplexity", "tokens/s", "made in"]);
    evaluate("dense", &checkpoint.load(&load, &device)?, &evaluation, None, &mut table)?;

    // Everything that is not said here follows from the model.
    let dress = args.recipe(family);
    let in_basis = dress.clone().without_training();
    let direct = Recipe { basis: Some(Basis::Identity), ..in_basis.clone() };
    let basis = dress.basis(checkpoint.declared());
    let mut ways = vec![("pruned directly".to_string(), direct)];
    if basis != Basis::Identity {
        ways.push((format!("the same, --basis {basis}"), in_basis));
    }
    ways.push(("DReSS".into(), dress));
    for (name, recipe) in ways {
        let job = PruneJob::new(checkpoint.clone(), &recipe, load, device.clone())?;
        let calibration = job.calibration(&text)?;
        let (start, progress) = (Instant::now(), TerminalProgress::default());
        let pruned = job.run(&calibration, &progress)?;
        evaluate(&name, &pruned.model, &evaluation, Some(start.elapsed()), &mut table)?;
    }
    print!("{table}");
    Ok(())
}

impl Args {
    /// The recommended run of a family.
    fn recipe(&self, family: Family) -> Recipe {
        let recipe = Recipe::new(family.axes.to_vec(), HowMuch::Ratios(vec![self.ratio]));
        let sampling = Sampling { samples: self.samples, seqlen: Some(self.seqlen), draw: Draw::Blocks };
        Recipe { stock: family.stock, learning_rate: self.learning_rate, sampling, ..recipe }
    }

    fn texts(&self, shipped: &Path) -> Result<(Corpus, Corpus), dress_data::Error> {
        let read = |path: &Path| Corpus::read(path, CorpusFormat::Auto);
        match (&self.data, &self.heldout) {
            (Some(data), Some(heldout)) => Ok((read(data)?, read(heldout)?)),
            (Some(data), None) => read(data)?.split(0.8),
            (None, _) => Ok((read(&shipped.join("calibration.txt"))?, read(&shipped.join("heldout.txt"))?)),
        }
    }
}

fn evaluate(
    name: &str,
    model: &AnyModel,
    blocks: &Calibration,
    took: Option<Duration>,
    table: &mut Table,
) -> Result<(), dress_eval::Error> {
    let report =
        any_model::perplexity(model, blocks, &PerplexityConfig::default(), &TerminalProgress::default())?;
    table.row(&[
        name.into(),
        parameters::count(model).to_string(),
        format!("{:.2}", report.perplexity),
        format!("{:.0}", report.tokens_per_second),
        took.map_or(String::new(), |took| format!("{:.0} s", took.as_secs_f64())),
    ]);
    Ok(())
}
