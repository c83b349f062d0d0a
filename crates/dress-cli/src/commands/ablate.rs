//! `dress ablate`.

mod base;
mod control;
mod given;
mod measure;
mod rows;

use super::bench::{Bench, Texts};
use super::common_args::at_least_one;
use crate::ablation::{ABLATION_SCHEMA, Ablation, AblationCell, Row, Together, Vary, markdown, picture};
use crate::cells::{CellStore, Wanted, each_cell};
use crate::{Error, PlaceLock, locate, write_beside};
use base::Base;
use clap::Args;
use rows::Planned;
use std::path::{Path, PathBuf};

/// Options of `dress ablate`.
#[derive(Debug, Args)]
pub struct AblateArgs {
    /// An option of prune and the values to try, as lambda=1,5,20: one option at a time, all else as given here. on and
    /// off for an option without a value, none to leave one out, + between the parts of a list (axis=residual+ffn).
    #[arg(long, value_name = "OPTION=VALUES")]
    vary: Vec<Vary>,
    /// One more row with several settings together, as gate=cosine:0.2,learning-rate=1e-4.
    #[arg(long, value_name = "SETTINGS")]
    also: Vec<Together>,
    /// All combinations of what is varied, instead of one option at a time.
    #[arg(long)]
    grid: bool,
    /// Seeds: every row is run with each, and the table has means and ranges.
    #[arg(long, value_delimiter = ',', conflicts_with = "seed")]
    seeds: Vec<u64>,
    /// Three more rows: the model sliced without training, trained after slicing, and trained without a penalty before.
    #[arg(long)]
    control: bool,
    /// A text like the calibration's to evaluate on, never the same.
    #[arg(long)]
    data: PathBuf,
    /// Another text to evaluate on, that nothing was calibrated on.
    #[arg(long)]
    unseen: Option<PathBuf>,
    /// The field of --unseen's rows that is their text; by default --text-field, which is also --data's.
    #[arg(long, value_name = "NAME", requires = "unseen")]
    unseen_text_field: Option<String>,
    /// Tokens a block of the evaluation; by default 2048, or what the model has positions for.
    #[arg(long)]
    eval_seqlen: Option<usize>,
    /// The most blocks of each text, from its start; all by default.
    #[arg(long, value_parser = at_least_one)]
    max_blocks: Option<usize>,
    /// Runs one cell in this process, as this command does for each.
    #[arg(long, hide = true)]
    cell: Option<String>,
    #[command(flatten)]
    base: Base,
}

impl AblateArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        let model = locate(self.base.prune.model())?;
        let field = self.base.prune.calibration().text_field.as_deref();
        let texts = Texts {
            seen: &self.data,
            unseen: self.unseen.as_deref(),
            fields: [field, self.unseen_text_field.as_deref().or(field)],
            seqlen: self.eval_seqlen,
            max_blocks: self.max_blocks,
        };
        let bench = Bench::new(&model, texts)?;
        // What cannot be is refused before any work.
        let planned = self.planned(&bench)?;
        let locked = self.cell.as_ref().map_or(self.out().to_path_buf(), |key| self.cells().join(key));
        let store = CellStore::open(&self.cells())?;
        let _lock = PlaceLock::take(&locked)?;
        match &self.cell {
            Some(key) => {
                let cell = planned.iter().find(|cell| cell.key == *key);
                let cell = cell.ok_or_else(|| Error::CellName { name: key.clone() })?;
                store.put(&cell.wanted().file, &self.measure(&bench, cell)?)
            }
            None => self.all(&bench, &planned, &store),
        }
    }

    fn seeds(&self) -> Vec<u64> {
        let mut seeds = Vec::new();
        for &seed in &self.seeds {
            if !seeds.contains(&seed) {
                seeds.push(seed);
            }
        }
        if seeds.is_empty() { vec![self.base.prune.common().seed] } else { seeds }
    }

    fn out(&self) -> &Path {
        self.base.prune.out()
    }

    fn cells(&self) -> PathBuf {
        self.out().join("cells")
    }

    fn all(&self, bench: &Bench, planned: &[Planned], store: &CellStore) -> Result<(), Error> {
        let mut ablation = self.empty(bench, planned);
        let wanted: Vec<Wanted> = planned.iter().map(Planned::wanted).collect();
        if self.base.prune.force() {
            wanted.iter().try_for_each(|cell| store.forget(&cell.file, &cell.key))?;
        }
        let mut place = planned.iter();
        ablation.reused = each_cell(&wanted, store, |wanted, cell: Option<AblationCell>| {
            let row = place.next().map(|cell| cell.row.as_str());
            let row = ablation.rows.iter_mut().find(|known| Some(known.name.as_str()) == row);
            match (cell, row) {
                (Some(cell), Some(row)) => row.cells.push(cell),
                _ => ablation.failed.push(wanted.name.clone()),
            }
            ablation.summarize();
            self.write(&ablation)
        })?;
        self.write(&ablation)?;
        let (reused, all) = (ablation.reused, wanted.len());
        self.base.prune.common().output().print(&ablation, || {
            let table = markdown(&ablation);
            format!(
                "{table}\n{reused} of {all} cells were there already; all of it is in {}",
                self.out().display()
            )
        })?;
        match ablation.failed.is_empty() {
            true => Ok(()),
            false => Err(Error::CellsFailed { cells: ablation.failed, path: self.out().into() }),
        }
    }

    /// The ablation before any cell is there.
    fn empty(&self, bench: &Bench, planned: &[Planned]) -> Ablation {
        let mut rows: Vec<Row> = Vec::new();
        for cell in planned {
            if rows.last().is_none_or(|row| row.name != cell.row) {
                rows.push(Row::new(&cell.row));
            }
        }
        Ablation {
            schema: ABLATION_SCHEMA,
            model: self.base.prune.model().display().to_string(),
            fingerprint: bench.fingerprint.clone(),
            base: self.base.given.to_string(),
            base_of_varied: self.base_of_varied(planned),
            seeds: self.seeds(),
            rows,
            best: None,
            reused: 0,
            failed: Vec::new(),
        }
    }

    /// What the base has for each option that is varied, where it was not given.
    fn base_of_varied(&self, planned: &[Planned]) -> Vec<String> {
        let base = planned.iter().find_map(|cell| cell.run.as_ref());
        let mut options: Vec<&str> = Vec::new();
        for vary in &self.vary {
            let known = options.contains(&vary.option.as_str()) || self.base.given.has(&vary.option);
            if !known {
                options.push(&vary.option);
            }
        }
        let value = |option: &&str| {
            let value = base.and_then(|run| run.settings.get(&option.replace('_', "-")));
            value.map_or(format!("{option} left out"), |value| match value.as_str() {
                "false" => format!("{option}=off"),
                value => format!("{option}={value}"),
            })
        };
        options.iter().map(value).collect()
    }

    fn write(&self, ablation: &Ablation) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(ablation).expect("an ablation is numbers and texts");
        write_beside(&self.out().join("ablate.json"), json.as_bytes())?;
        write_beside(&self.out().join("ablate.md"), markdown(ablation).as_bytes())?;
        if ablation.best.is_none() {
            return Ok(());
        }
        write_beside(&self.out().join("ablate.svg"), picture(ablation)?.as_bytes())
    }
}
