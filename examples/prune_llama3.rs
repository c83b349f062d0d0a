//! The whole path on a LLaMA-3 checkpoint: score, regularize, slice, evaluate.
//!
//! With no arguments it prunes the small model that ships in `models/llama3-kjv` and takes about a
//! minute; `-- --model DIR --data FILE` does the same to any checkpoint.

use clap::Parser;
use dress_cli::{Table, TerminalProgress};
use dress_core::{AxisKind, Calibration, CausalLm, Ratio, StockTarget, parameters};
use dress_data::{
    BlockConfig, Corpus, CorpusFormat, SampleConfig, Tokenizer, calibration_blocks, evaluation_blocks,
};
use dress_eval::{PerplexityConfig, perplexity};
use dress_importance::Criterion;
use dress_models::{AnyModel, LoadConfig};
use dress_prune::{AxisTarget, PruneConfig, RegularizeConfig, prune};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Args {
    /// A checkpoint's directory.
    #[arg(long, requires = "data")]
    model: Option<PathBuf>,
    /// A text to calibrate on.
    #[arg(long)]
    data: Option<PathBuf>,
    /// A text to evaluate on; without it, the last fifth of --data.
    #[arg(long, requires = "data")]
    heldout: Option<PathBuf>,
    /// The share of the residual width to remove.
    #[arg(long, default_value = "0.25")]
    ratio: Ratio,
    /// Calibration blocks.
    #[arg(long, default_value_t = 512)]
    samples: usize,
    /// Tokens a block.
    #[arg(long, default_value_t = 256)]
    seqlen: usize,
    /// The most blocks to evaluate on.
    #[arg(long, default_value_t = 64)]
    max_blocks: usize,
    /// Where to compute.
    #[arg(long, default_value = "auto")]
    device: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/llama3-kjv");
    let directory = args.model.as_deref().unwrap_or(&shipped);
    let read = |path: &PathBuf| Corpus::read(path, CorpusFormat::Auto);
    let (calibration, evaluation) = match (&args.data, &args.heldout) {
        (Some(data), Some(heldout)) => (read(data)?, read(heldout)?),
        (Some(data), None) => read(data)?.split(0.8)?,
        (None, _) => {
            let shipped = |name: &str| Corpus::read(&shipped.join(name), CorpusFormat::Text);
            (shipped("calibration.txt")?, shipped("heldout.txt")?)
        }
    };

    let tokenizer = Tokenizer::from_directory(directory)?;
    let sampling = SampleConfig { samples: args.samples, seqlen: args.seqlen, ..SampleConfig::default() };
    let calibration = calibration_blocks(&calibration, &tokenizer, &sampling)?;
    let blocks = BlockConfig::new(args.seqlen).max_blocks(Some(args.max_blocks));
    let evaluation = evaluation_blocks(&evaluation, &tokenizer, &blocks)?;

    let device = dress_core::device::parse(&args.device)?;
    let dense = AnyModel::load(directory, &LoadConfig::default(), &device)?;
    let mut table = Table::new(&["model", "parameters", "perplexity", "tokens/s", "made in"]);
    evaluate("dense", &dense, &evaluation, None, &mut table)?;

    let target = AxisTarget { kind: AxisKind::Residual, ratio: args.ratio, tile: 1 };
    let direct = PruneConfig { targets: vec![target], regularize: None, stock: StockTarget::Any, seed: 42 };
    let dress = PruneConfig { regularize: Some(RegularizeConfig::default()), ..direct.clone() };
    let scorer = Criterion::ActivationNorm.scorer(42);
    for (name, config) in [("pruned directly", direct), ("DReSS", dress)] {
        let progress = TerminalProgress::default();
        let start = Instant::now();
        let pruned = prune(dense.clone(), scorer.as_ref(), &calibration, &config, &progress)?;
        evaluate(name, &pruned.model, &evaluation, Some(start.elapsed()), &mut table)?;
    }
    print!("{table}");
    Ok(())
}

fn evaluate<M: CausalLm>(
    name: &str,
    model: &M,
    blocks: &Calibration,
    took: Option<Duration>,
    table: &mut Table,
) -> Result<(), dress_eval::Error> {
    let report = perplexity(model, blocks, &PerplexityConfig::default(), &TerminalProgress::default())?;
    let (parameters, speed) = (parameters::count(model), report.tokens_per_second);
    table.row(&[
        name.into(),
        parameters.to_string(),
        format!("{:.2}", report.perplexity),
        format!("{speed:.0}"),
        took.map_or(String::new(), |took| format!("{:.0} s", took.as_secs_f64())),
    ]);
    Ok(())
}
