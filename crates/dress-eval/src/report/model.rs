//! What a run leaves of every model that it evaluated.

use super::{Machine, Origin, machine};
use crate::tasks::TaskResult;
use crate::{Departure, Error, PerplexityReport, Size, SpeedReport};
use dress_core::Fingerprint;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the report's file format that this crate writes and reads.
pub const REPORT_FORMAT: u32 = 1;

/// Some evaluated models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The file format's version, [`REPORT_FORMAT`].
    pub format: u32,
    /// The models, in the order in which they are shown.
    pub models: Vec<ModelReport>,
}

/// Everything that is known of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelReport {
    /// What tables and plots call it.
    pub name: String,
    /// The curve it belongs to in plots, such as the method that made it.
    #[serde(default)]
    pub series: Option<String>,
    /// The checkpoint, as files say it that may be published.
    pub path: String,
    /// The checkpoint's fingerprint.
    pub fingerprint: Fingerprint,
    /// The architecture.
    pub architecture: String,
    /// SHA-256 of the tokenizer's file.
    pub tokenizer_sha256: String,
    /// The runs that the numbers are from.
    pub runs: Vec<RunInfo>,
    /// How large it is.
    pub size: Size,
    /// How it came to be, where it was pruned.
    pub origin: Option<Origin>,
    /// Its perplexities, one a text.
    pub perplexity: Vec<PerplexityReport>,
    /// Its tasks.
    pub tasks: Vec<TaskResult>,
    /// How far it is from the model that it was made from.
    pub departure: Option<Departure>,
    /// How fast it is.
    pub speed: Option<SpeedReport>,
}

/// When, where and with what a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Seconds since 1970.
    pub created: u64,
    /// The version of this crate.
    pub dress_version: String,
    /// The version of Burn.
    pub burn_version: String,
    /// The device.
    pub device: String,
    /// The type of the weights.
    pub dtype: String,
    /// The seed.
    pub seed: u64,
    /// The machine.
    pub machine: Machine,
}

impl RunInfo {
    /// A run on this machine, now.
    pub fn here(burn_version: &str, device: String, dtype: String, seed: u64) -> Self {
        Self {
            created: machine::now(),
            dress_version: env!("CARGO_PKG_VERSION").into(),
            burn_version: burn_version.into(),
            device,
            dtype,
            seed,
            machine: Machine::here(),
        }
    }

    /// When it was made, in words.
    pub fn date(&self) -> String {
        machine::date(self.created)
    }
}

impl Report {
    /// A report of these models.
    pub fn new(models: Vec<ModelReport>) -> Self {
        Self { format: REPORT_FORMAT, models }
    }

    /// Reads a report; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::ReportUnreadable`] and [`Error::ReportFormat`].
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        let unreadable = |cause| Error::ReportUnreadable { path: path.into(), cause };
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
        if format != REPORT_FORMAT {
            return Err(Error::ReportFormat { path: path.into(), found: format, expected: REPORT_FORMAT });
        }
        serde_json::from_str(text).map_err(unreadable)
    }

    /// The report as JSON text.
    ///
    /// # Examples
    /// ```
    /// use dress_eval::report::Report;
    ///
    /// let report = Report::new(Vec::new());
    /// assert_eq!(Report::from_json(&report.to_json(), "report.json".as_ref())?, report);
    /// # Ok::<(), dress_eval::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is numbers, texts and lists")
    }

    /// The models of several runs. What two runs say of the same weights in the same type on the same device
    /// becomes one model; where both have the same measurement, the later run's is taken.
    pub fn join(reports: Vec<Report>) -> Self {
        let mut models: Vec<ModelReport> = Vec::new();
        for model in reports.into_iter().flat_map(|report| report.models) {
            match models.iter_mut().find(|known| known.is_same_as(&model)) {
                Some(known) => known.add(model),
                None => models.push(model),
            }
        }
        name_apart(&mut models);
        Self::new(models)
    }
}

impl ModelReport {
    fn is_same_as(&self, other: &Self) -> bool {
        let place = |model: &Self| model.runs.last().map(|run| (run.dtype.clone(), run.device.clone()));
        (&self.fingerprint, &self.series, place(self)) == (&other.fingerprint, &other.series, place(other))
    }

    fn newest(&self) -> u64 {
        self.runs.iter().map(|run| run.created).max().unwrap_or(0)
    }

    fn add(&mut self, other: Self) {
        let (older, newer) = match other.newest() >= self.newest() {
            true => (self.clone(), other),
            false => (other, self.clone()),
        };
        let mut joined = newer;
        joined.name.clone_from(&self.name);
        for run in older.runs {
            if !joined.runs.contains(&run) {
                joined.runs.push(run);
            }
        }
        for found in older.perplexity {
            let same = |known: &PerplexityReport| {
                (&known.data, known.stride, known.protocol, known.bos)
                    == (&found.data, found.stride, found.protocol, found.bos)
            };
            if !joined.perplexity.iter().any(same) {
                joined.perplexity.push(found);
            }
        }
        for found in older.tasks {
            let key = |t: &TaskResult| {
                (
                    t.task.clone(),
                    t.data_sha256.clone(),
                    t.task_sha256.clone(),
                    t.rows,
                    t.fewshot,
                    t.fewshot_seed,
                )
            };
            if !joined.tasks.iter().any(|known| key(known) == key(&found)) {
                joined.tasks.push(found);
            }
        }
        joined.origin = joined.origin.or(older.origin);
        joined.departure = joined.departure.or(older.departure);
        joined.speed = joined.speed.or(older.speed);
        *self = joined;
    }
}

/// Models of the same name get the start of their fingerprints behind it.
fn name_apart(models: &mut [ModelReport]) {
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    for (index, model) in models.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == names[index]).count() > 1 {
            model.name = format!("{} ({})", names[index], &model.fingerprint.as_str()[..8]);
        }
    }
}
