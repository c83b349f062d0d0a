//! `dress compare`.

mod measure;
mod methods;

use super::CommonArgs;
use super::bench::{Bench, Texts};
use super::common_args::{CalibrationArgs, at_least_one};
use super::regularize_args::RegularizeArgs;
use crate::cells::{CellKey, CellStore, Wanted, each_cell};
use crate::comparison::{COMPARISON_SCHEMA, CellId, Comparison, markdown, picture};
use crate::evaluation::write_report;
use crate::{Error, PlaceLock, locate, write_beside};
use clap::{Args, ValueEnum};
use dress_core::{AxisKind, Ratio, StockTarget};
use dress_importance::Criterion;
use dress_prune::Preset;
use methods::Methods;
use std::path::PathBuf;

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
    /// The field of --unseen's rows that is their text; by default --text-field, which is also --data's.
    #[arg(long, value_name = "NAME")]
    unseen_text_field: Option<String>,
    /// Tokens a block of the evaluation; by default 2048, or what the model has positions for.
    #[arg(long)]
    eval_seqlen: Option<usize>,
    /// The most blocks of each text, from its start; all by default.
    #[arg(long, value_parser = at_least_one)]
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
    /// Where the results go: compare.json, compare.md, compare.svg, report.json, report.md, report.html, and a file a cell, which is used again by the
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
        let field = self.calibration.text_field.as_deref();
        let texts = Texts {
            seen: &self.data,
            unseen: Some(&self.unseen),
            fields: [field, self.unseen_text_field.as_deref().or(field)],
            seqlen: self.eval_seqlen,
            max_blocks: self.max_blocks,
        };
        let bench = Bench::new(&self.model, texts)?;
        let locked = self.cell.map_or(self.out.clone(), |id| self.out.join("cells").join(id.file()));
        let store = CellStore::open(&self.out.join("cells"))?;
        let _lock = PlaceLock::take(&locked)?;
        let methods = Methods { args: &self, bench };
        match self.cell {
            Some(id) => store.put(&id.file(), &methods.measure(id)?),
            None => self.all(&methods, &store),
        }
    }

    fn all(&self, methods: &Methods<'_>, store: &CellStore) -> Result<(), Error> {
        let mut comparison = Comparison {
            schema: COMPARISON_SCHEMA,
            model: self.model.display().to_string(),
            fingerprint: methods.bench.fingerprint.clone(),
            by: if self.by == By::Params { "parameters" } else { "every axis" }.into(),
            cells: Vec::new(),
            failed: Vec::new(),
        };
        // What cannot be is refused before any work.
        let ids = self.ids();
        let keys = ids.iter().map(|id| methods.key(*id)).collect::<Result<Vec<_>, Error>>()?;
        warn_of_seen_text(&keys);
        let wanted: Vec<Wanted> = ids.iter().zip(&keys).map(|(id, key)| wanted(*id, key)).collect();
        let reused = each_cell(&wanted, store, |wanted, cell| {
            match cell {
                Some(cell) => comparison.cells.push(cell),
                None => comparison.failed.push(wanted.name.clone()),
            }
            self.write(&comparison)
        })?;
        let table = markdown(&comparison);
        self.common.output().print(&comparison, || {
            format!(
                "{table}\n{reused} of {} cells were there already; all of it is in {}",
                wanted.len(),
                self.out.display()
            )
        })?;
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

    fn write(&self, comparison: &Comparison) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(comparison).expect("a comparison is numbers and texts");
        write_beside(&self.out.join("compare.json"), json.as_bytes())?;
        write_beside(&self.out.join("compare.md"), markdown(comparison).as_bytes())?;
        if comparison.cells.is_empty() {
            return Ok(());
        }
        write_beside(&self.out.join("compare.svg"), picture(comparison)?.as_bytes())?;
        write_report(&self.out, &comparison.report(), "Methods side by side")?;
        Ok(())
    }
}

fn wanted<S: serde::Serialize>(id: CellId, key: &CellKey<S>) -> Wanted {
    Wanted { name: id.to_string(), file: id.file(), key: key.hash(), cell: id.to_string() }
}

/// Says where a text to evaluate on is the one that was calibrated on.
fn warn_of_seen_text<S>(keys: &[CellKey<S>]) {
    let Some((key, calibration)) = keys.iter().find_map(|key| Some((key, key.calibration.as_ref()?))) else {
        return;
    };
    for (option, text) in [("--data", Some(&key.seen)), ("--unseen", key.unseen.as_ref())] {
        if text.is_some_and(|text| text.sha256 == calibration.sha256) {
            tracing::warn!(
                "{option} is the text of --calibration: its perplexity says nothing of other texts"
            );
        }
    }
}
