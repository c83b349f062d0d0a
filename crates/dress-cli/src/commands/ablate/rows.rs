//! The rows of an ablation and their cells.

use super::AblateArgs;
use super::control::controls;
use super::given::Given;
use crate::Error;
use crate::ablation::{ABLATION_SCHEMA, Ablation, Resolved, points};
use crate::cells::{CellKey, Wanted};
use crate::commands::PruneArgs;
use crate::commands::bench::Bench;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// One cell that is asked for: which row it is of, and the run that makes it, unless it is the model as it is.
pub(super) struct Planned {
    pub row: String,
    pub run: Option<Run>,
    pub key: String,
}

/// One run of `dress prune`.
pub(super) struct Run {
    pub args: PruneArgs,
    pub settings: Resolved,
    pub seed: u64,
}

/// All that a run depends on beside the texts.
#[derive(Serialize)]
struct RunKey<'a> {
    settings: &'a Resolved,
    seed: u64,
    /// SHA-256 of the plan, where one was made before.
    plan: Option<String>,
    /// SHA-256 of the measured costs, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    costs: Option<String>,
}

impl AblateArgs {
    /// Every cell, checked as far as it can be without weights: the model as it is, the base, and then the rows in order. A
    /// row that comes to the same as one before it is left out.
    ///
    /// # Errors
    /// Those of [`Given::with`] and [`Given::parse`], and of checking a run.
    pub(super) fn planned(&self, bench: &Bench) -> Result<Vec<Planned>, Error> {
        let mut planned = vec![dense(self, bench)];
        let mut known = BTreeSet::new();
        for (row, given) in self.rows()? {
            let cell = |&seed| self.cell_of(bench, &row, &given, seed);
            let cells = self.seeds().iter().map(cell).collect::<Result<Vec<_>, Error>>()?;
            if cells.iter().all(|cell| known.insert(cell.key.clone())) {
                planned.extend(cells);
            }
        }
        Ok(planned)
    }

    /// The rows' names and options.
    fn rows(&self) -> Result<Vec<(String, Given)>, Error> {
        let base = &self.base.given;
        let mut rows = vec![(Ablation::BASE.to_string(), base.clone())];
        for point in points(&self.vary, &self.also, self.grid) {
            let given = point.settings.iter().try_fold(base.clone(), |given, setting| given.with(setting))?;
            let name = point.settings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            rows.push((name, given));
        }
        if self.control {
            rows.extend(controls(base)?);
        }
        Ok(rows)
    }

    fn cell_of(&self, bench: &Bench, row: &str, given: &Given, seed: u64) -> Result<Planned, Error> {
        let parse = |out: &Path| given.parse(row, &bench.model, out, seed);
        let (args, settings) = parse(self.base.prune.out())?;
        let refused = |error: Error| Error::SettingOfRow { row: row.into(), reason: error.to_string() };
        args.check().map_err(refused)?;
        let plan = args.plan().map(sha256).transpose()?;
        let costs = args.costs().map(sha256).transpose()?;
        let calibration = bench.calibration_key(args.calibration(), seed)?;
        let run_key = RunKey { settings: &settings, seed, plan, costs };
        let key = bench.key(ABLATION_SCHEMA, Some(run_key), calibration, args.common()).hash();
        // Where its training keeps what it needs while it goes on.
        let (args, settings) = parse(&self.cells().join(&key[..12]))?;
        Ok(Planned { row: row.into(), run: Some(Run { args, settings, seed }), key })
    }
}

impl Planned {
    /// What people are told, and what its file is called.
    pub fn wanted(&self) -> Wanted {
        let (name, file) = match &self.run {
            Some(Run { seed, .. }) => (format!("{}, seed {seed}", self.row), format!("seed-{seed}")),
            None => (self.row.clone(), self.row.clone()),
        };
        Wanted { name, file, key: self.key.clone(), cell: self.key.clone() }
    }
}

fn dense(args: &AblateArgs, bench: &Bench) -> Planned {
    let key: CellKey<RunKey<'_>> = bench.key(ABLATION_SCHEMA, None, None, args.base.prune.common());
    Planned { row: Ablation::DENSE.into(), run: None, key: key.hash() }
}

fn sha256(path: &Path) -> Result<String, Error> {
    let bytes = dress_core::files::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
