//! An ablation that goes on where it was.

use super::{
    ABLATION_SCHEMA, Ablation, AblationCell, Control, DescribedRun, PruneRun, Resolved, Row, Setting, Vary,
    combinations, markdown, picture,
};
use crate::kept_cells::{CellKey, CellStore, Outcome, Turn, Wanted, each_cell, outcome_of};
use crate::{ComputeSettings, Error, Subject, write_beside, write_picture};
use dress_core::Progress;
use dress_models::published_name;
use dress_train::RunDirectory;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A row that is asked for: its name, what it runs, and what files say of that.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The row's name.
    pub name: String,
    /// What it runs, whatever the seed.
    pub run: PruneRun,
    /// What its result depends on.
    pub described: DescribedRun,
}

impl Variant {
    /// A row of that name, described by all that its recipe resolves to.
    ///
    /// # Errors
    /// [`Error::Row`] with those of [`DescribedRun::of`].
    pub fn new(name: &str, run: PruneRun, subject: &Subject) -> Result<Self, Error> {
        let described = DescribedRun::of(&run, subject.declared()).map_err(|error| of_row(name, error))?;
        Ok(Self { name: name.into(), run, described })
    }

    /// The base, and a row for each combination of what is varied.
    ///
    /// # Errors
    /// Those of [`Variant::new`].
    pub fn all(
        base: &PruneRun,
        vary: &[Vary<Setting>],
        also: &[Vec<Setting>],
        grid: bool,
        subject: &Subject,
    ) -> Result<Vec<Self>, Error> {
        let mut variants = vec![Self::new(Ablation::BASE, base.clone(), subject)?];
        for settings in combinations(vary, also, grid) {
            let run = settings.iter().fold(base.clone(), |run, setting| setting.on(&run));
            let name = settings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            variants.push(Self::new(&name, run, subject)?);
        }
        Ok(variants)
    }

    /// The controls of `base`, see [`Control`].
    ///
    /// # Errors
    /// Those of [`Variant::new`].
    pub fn controls(base: &PruneRun, subject: &Subject) -> Result<Vec<Self>, Error> {
        let control = |control: Control| {
            let recipe = control.of(&base.recipe)?;
            Some(Self::new(control.name(), PruneRun { recipe, ..base.clone() }, subject))
        };
        Control::ALL.into_iter().filter_map(control).collect()
    }
}

/// Rows of settings side by side on one checkpoint. All keep the sizes that they are given, whatever
/// quantizers take, so that rows that are given one size have it
/// ([`Sizes::AsAsked`](dress_prune::Sizes::AsAsked)). Its results are in a directory: `ablate.json`,
/// `ablate.md`, `ablate.svg`, `ablate.png`, and in `cells` a file a cell.
///
/// Two processes that work on one directory at once measure cells twice, and no file is ever half of two.
#[derive(Debug)]
pub struct AblationStudy {
    /// What is studied.
    pub subject: Subject,
    /// What the model as it is is computed with.
    pub dense: ComputeSettings,
    /// The rows, the base first.
    pub variants: Vec<Variant>,
    /// The seeds that every row is run with, each once.
    pub seeds: Vec<u64>,
    /// Where the results are.
    pub directory: PathBuf,
    /// What the checkpoint is called in the results.
    pub model: String,
    /// What the base is, in words.
    pub base: String,
    /// What the base has for each setting that is varied.
    pub base_of_varied: Vec<String>,
}

/// One cell that is asked for: which row it is of, and the run that makes it, unless it is the model as it
/// is.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCell {
    pub(super) row: String,
    pub(super) run: Option<SeededRun>,
    pub(super) key: String,
}

/// One run of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeededRun {
    pub run: PruneRun,
    pub settings: Resolved,
    pub seed: u64,
    pub directory: RunDirectory,
}

/// All that a run depends on beside the texts.
#[derive(Serialize)]
struct RunKey<'a> {
    settings: &'a Resolved,
    seed: u64,
    /// SHA-256 of the plan, where one was made before.
    plan: Option<&'a str>,
    /// SHA-256 of the measured costs, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    costs: Option<&'a str>,
}

impl AblationStudy {
    /// A study of `variants`, the base first, with the seed of the base.
    pub fn new(subject: Subject, variants: Vec<Variant>, directory: impl Into<PathBuf>) -> Self {
        let base = variants.first().map(|variant| &variant.run);
        Self {
            dense: base.map_or_else(ComputeSettings::default, |base| base.compute.clone()),
            seeds: vec![base.map_or(42, |base| base.recipe.seed)],
            model: published_name(subject.checkpoint().path()),
            base: Ablation::BASE.into(),
            base_of_varied: Vec::new(),
            subject,
            variants,
            directory: directory.into(),
        }
    }

    /// The kept cells.
    ///
    /// # Errors
    /// Those of [`CellStore::open`].
    pub fn store(&self) -> Result<CellStore, Error> {
        CellStore::open(&self.cells())
    }

    fn cells(&self) -> PathBuf {
        self.directory.join("cells")
    }

    /// Every cell, checked as far as it can be without weights: the model as it is, the base, and then the
    /// rows in order. A row that comes to the same as one before it is left out.
    ///
    /// # Errors
    /// [`Error::Row`] where a row cannot be run, and those of reading the calibration text.
    pub fn planned(&self) -> Result<Vec<PlannedCell>, Error> {
        let mut planned = vec![self.dense_cell()];
        let mut known = BTreeSet::new();
        for variant in &self.variants {
            let cell = |&seed| self.cell_of(variant, seed);
            let cells = self.seeds.iter().map(cell).collect::<Result<Vec<_>, Error>>()?;
            if cells.iter().all(|cell| known.insert(cell.key.clone())) {
                planned.extend(cells);
            }
        }
        Ok(planned)
    }

    fn dense_cell(&self) -> PlannedCell {
        let key: CellKey<RunKey<'_>> = self.subject.key(ABLATION_SCHEMA, None, None, &self.dense);
        PlannedCell { row: Ablation::DENSE.into(), run: None, key: key.hash() }
    }

    fn cell_of(&self, variant: &Variant, seed: u64) -> Result<PlannedCell, Error> {
        let run = variant.run.clone().with_sizes_as_asked().with_seed(seed);
        let DescribedRun { settings, plan_sha256, costs_sha256 } = &variant.described;
        run.job(self.subject.checkpoint()).map_err(|error| of_row(&variant.name, error))?;
        let calibration = run.calibration.as_ref();
        let calibration = calibration
            .map(|text| self.subject.calibration_key(text, &run.recipe.sampling, seed))
            .transpose()?;
        let (plan, costs) = (plan_sha256.as_deref(), costs_sha256.as_deref());
        let run_key = RunKey { settings, seed, plan, costs };
        let key = self.subject.key(ABLATION_SCHEMA, Some(run_key), calibration, &run.compute).hash();
        let directory = RunDirectory::beside(&self.cells().join(&key[..12]));
        let run = run.in_directory(&directory);
        let run = SeededRun { run, settings: settings.clone(), seed, directory };
        Ok(PlannedCell { row: variant.name.clone(), run: Some(run), key })
    }

    /// The cells, each that is missing put into the store by `measure`, which says what came of it; the table
    /// and the picture are written anew after each. With `anew` all of them are missing.
    ///
    /// # Errors
    /// Those of reading and writing the files.
    pub fn run(
        &self,
        planned: &[PlannedCell],
        anew: bool,
        measure: impl FnMut(&Wanted, Turn) -> Outcome,
    ) -> Result<Ablation, Error> {
        let (mut ablation, store) = (self.empty(planned), self.store()?);
        let wanted: Vec<Wanted> = planned.iter().map(PlannedCell::wanted).collect();
        if anew {
            wanted.iter().try_for_each(|cell| store.forget(&cell.file, &cell.key))?;
        }
        let mut place = planned.iter();
        ablation.reused = each_cell(&wanted, &store, measure, |wanted, cell: Option<AblationCell>| {
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
        Ok(ablation)
    }

    /// Every cell, those that are missing measured in this process, so that the peak memory of each counts
    /// what those before it took. A cell that fails is named in [`Ablation::failed`], and why is logged.
    ///
    /// # Errors
    /// Those of [`AblationStudy::planned`] and [`AblationStudy::run`].
    pub fn run_here(&self, progress: &dyn Progress) -> Result<Ablation, Error> {
        let (planned, store) = (self.planned()?, self.store()?);
        let measured = |wanted: &Wanted| {
            let found = planned.iter().find(|cell| cell.key == wanted.key);
            let cell = found.ok_or_else(|| Error::CellName { name: wanted.key.clone() })?;
            store.put(&wanted.file, &self.measure(cell, progress)?)
        };
        self.run(&planned, false, |wanted, _| outcome_of(wanted, measured(wanted)))
    }

    /// The ablation before any cell is there.
    fn empty(&self, planned: &[PlannedCell]) -> Ablation {
        let mut rows: Vec<Row> = Vec::new();
        for cell in planned {
            if rows.last().is_none_or(|row| row.name != cell.row) {
                rows.push(Row::new(&cell.row));
            }
        }
        Ablation {
            schema: ABLATION_SCHEMA,
            model: self.model.clone(),
            fingerprint: self.subject.fingerprint().clone(),
            base: self.base.clone(),
            base_of_varied: self.base_of_varied.clone(),
            seeds: self.seeds.clone(),
            rows,
            best: None,
            reused: 0,
            failed: Vec::new(),
        }
    }

    fn write(&self, ablation: &Ablation) -> Result<(), Error> {
        let place = |name: &str| self.directory.join(name);
        let json = serde_json::to_string_pretty(ablation).expect("an ablation is numbers and texts");
        write_beside(&place("ablate.json"), json.as_bytes())?;
        write_beside(&place("ablate.md"), markdown(ablation).as_bytes())?;
        if ablation.best.is_none() {
            return Ok(());
        }
        write_picture(&self.directory, "ablate", &picture(ablation)?)
    }

    /// Where the results are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl PlannedCell {
    /// What people are told, and what its file is called.
    pub fn wanted(&self) -> Wanted {
        let (name, file) = match &self.run {
            Some(SeededRun { seed, .. }) => (format!("{}, seed {seed}", self.row), format!("seed-{seed}")),
            None => (self.row.clone(), self.row.clone()),
        };
        Wanted { name, file, key: self.key.clone() }
    }

    /// The hash of all that its result depends on.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where its training goes on, where it has any.
    pub fn run_directory(&self) -> Option<&RunDirectory> {
        self.run.as_ref().filter(|run| run.run.recipe.regularize.is_some()).map(|run| &run.directory)
    }
}

fn of_row(row: &str, error: Error) -> Error {
    Error::Row { row: row.into(), cause: Box::new(error) }
}
