//! `dress compare`.

mod bench;
mod measure;

use super::CommonArgs;
use super::common_args::{CalibrationArgs, at_least_one};
use super::regularize_args::RegularizeArgs;
use crate::comparison::{COMPARISON_SCHEMA, Cell, CellId, CellKey, Comparison, markdown, picture};
use crate::{Error, locate, write_beside};
use bench::Bench;
use clap::{Args, ValueEnum};
use dress_core::{AxisKind, Ratio, StockTarget};
use dress_importance::Criterion;
use dress_prune::Preset;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What ratios are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The parameters of the model as it is: every method ends at the same size.
    Params,
    /// Every axis that a method prunes.
    Width,
}

/// Options of `dress compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The checkpoint: a directory, a GGUF file, or `owner/name` on the Hugging Face hub.
    #[arg(long)]
    model: PathBuf,
    #[command(flatten)]
    calibration: CalibrationArgs,
    /// The methods: magnitude, wanda-sp, flap, llm-pruner, slicegpt-global, sleb, shortgpt, minitron, dress.
    #[arg(long, value_delimiter = ',', default_values_t = Preset::all())]
    presets: Vec<Preset>,
    /// The shares that go.
    #[arg(long, value_delimiter = ',', required = true)]
    ratios: Vec<Ratio>,
    /// Of what ratios are: params for equal sizes, width for equal shares of whatever a method prunes.
    #[arg(long, value_enum, default_value_t = By::Params)]
    by: By,
    /// A text like the calibration's to evaluate on, never the same.
    #[arg(long)]
    data: PathBuf,
    /// Another text to evaluate on, that nothing was calibrated on.
    #[arg(long)]
    unseen: PathBuf,
    /// Tokens a block of the evaluation; by default 2048, or what the model has positions for.
    #[arg(long)]
    eval_seqlen: Option<usize>,
    /// The most blocks of each text, from its start; all by default.
    #[arg(long)]
    max_blocks: Option<usize>,
    /// Calibration blocks of sleb, which goes over them again and again.
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    search_samples: usize,
    /// Calibration blocks of dress, which trains on them; by default --samples.
    #[arg(long, value_parser = at_least_one)]
    train_samples: Option<usize>,
    /// What dress prunes: residual, ffn, heads, depth, or several with commas.
    #[arg(long, value_delimiter = ',', default_value = "residual")]
    dress_axis: Vec<AxisKind>,
    /// By what dress selects.
    #[arg(long, default_value_t = Criterion::ActivationNorm)]
    dress_criterion: Criterion,
    /// Whose rules the shapes keep. Nothing is saved, and these crates' own come nearest to equal sizes; flap and
    /// llm-pruner have no other.
    #[arg(long, default_value_t = StockTarget::Dress)]
    target: StockTarget,
    /// Round what stays of every axis to a multiple of this.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    tile: usize,
    /// Where the results go: compare.json, compare.md, compare.svg, and a file a cell, which is used again by the
    /// next run with the same settings.
    #[arg(long)]
    out: PathBuf,
    /// Runs one cell in this process, as this command does for each.
    #[arg(long, hide = true)]
    cell: Option<CellId>,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    regularize: RegularizeArgs,
}

impl CompareArgs {
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.model = locate(&self.model)?;
        let bench = Bench::new(&self)?;
        match self.cell {
            Some(id) => bench.store.put(&bench.measure(id)?),
            None => self.all(&bench),
        }
    }

    /// Every cell, each in a process of its own, so that its peak memory is its own.
    fn all(&self, bench: &Bench<'_>) -> Result<(), Error> {
        let mut comparison = Comparison {
            schema: COMPARISON_SCHEMA,
            model: self.model.display().to_string(),
            fingerprint: bench.fingerprint.clone(),
            by: if self.by == By::Params { "parameters" } else { "every axis" }.into(),
            cells: Vec::new(),
            failed: Vec::new(),
        };
        let mut reused = 0;
        let ids = self.ids();
        // What cannot be is refused before any work.
        let keys = ids.iter().map(|id| bench.key(*id)).collect::<Result<Vec<_>, Error>>()?;
        warn_of_seen_text(&keys);
        let keys: Vec<String> = keys.iter().map(CellKey::hash).collect();
        for (id, key) in ids.iter().zip(&keys) {
            let found = bench.store.get(id, key);
            reused += usize::from(found.is_some());
            let how = if found.is_some() { "is there already" } else { "begins" };
            tracing::info!("{id} {how}");
            match found.or_else(|| self.in_a_process(bench, *id, key)) {
                Some(cell) => comparison.cells.push(cell),
                None => comparison.failed.push(id.to_string()),
            }
            self.write(&comparison)?;
        }
        let table = markdown(&comparison);
        self.common.output().print(&comparison, || {
            format!(
                "{table}\n{reused} of {} cells were there already; all of it is in {}",
                ids.len(),
                self.out.display()
            )
        });
        match comparison.failed.is_empty() {
            true => Ok(()),
            false => Err(Error::CellsFailed { cells: comparison.failed, path: self.out.clone() }),
        }
    }

    fn ids(&self) -> Vec<CellId> {
        let pruned = self.presets.iter().flat_map(|&preset| {
            self.ratios.iter().map(move |ratio| CellId::Pruned { preset, ratio: ratio.get() })
        });
        std::iter::once(CellId::Dense).chain(pruned).collect()
    }

    /// The cell, measured by this same command in another process.
    fn in_a_process(&self, bench: &Bench<'_>, id: CellId, key: &str) -> Option<Cell> {
        let mut command = Command::new(std::env::current_exe().ok()?);
        command.args(std::env::args_os().skip(1)).arg("--cell").arg(id.to_string());
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => bench.store.get(&id, key),
            Ok(status) => {
                tracing::warn!("{id} failed: {status}");
                None
            }
            Err(error) => {
                tracing::warn!("{id} could not be started: {error}");
                None
            }
        }
    }

    fn write(&self, comparison: &Comparison) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(comparison).expect("a comparison is numbers and texts");
        write_beside(&self.out.join("compare.json"), json.as_bytes())?;
        write_beside(&self.out.join("compare.md"), markdown(comparison).as_bytes())?;
        if comparison.cells.is_empty() {
            return Ok(());
        }
        write_beside(&self.out.join("compare.svg"), picture(comparison)?.as_bytes())
    }
}

/// Says where a text to evaluate on is the one that was calibrated on.
fn warn_of_seen_text(keys: &[CellKey]) {
    let Some((key, calibration)) = keys.iter().find_map(|key| Some((key, key.calibration.as_ref()?))) else {
        return;
    };
    for (option, text) in [("--data", &key.seen), ("--unseen", &key.unseen)] {
        if text.sha256 == calibration.sha256 {
            tracing::warn!(
                "{option} is the text of --calibration: its perplexity says nothing of other texts"
            );
        }
    }
}
