//! A comparison that goes on where it was.

use super::{COMPARISON_SCHEMA, Cell, CellId, Comparison, ComparisonSettings, RatioOf, markdown, picture};
use crate::kept_cells::{CellKey, CellStore, DataKey, Outcome, Turn, Wanted, each_cell, outcome_of};
use crate::{
    ComputeSettings, Error, EvaluatedText, Subject, TextSource, write_beside, write_picture, write_report,
};
use dress_core::{Progress, Ratio};
use dress_models::published_name;
use dress_prune::{Amount, Preset, PresetSettings, usual_learning_rate};
use dress_train::{Precision, RunDirectory};
use std::path::{Path, PathBuf};

/// Methods side by side on one checkpoint. Its results are in a directory: `compare.json`, `compare.md`,
/// `compare.svg` and `compare.png`, a report, and in `cells` a file a cell.
///
/// Two processes that work on one directory at once measure cells twice, and no file is ever half of two.
#[derive(Debug)]
pub struct ComparisonStudy {
    subject: Subject,
    settings: ComparisonSettings,
    compute: ComputeSettings,
    calibration: Option<TextSource>,
    directory: PathBuf,
}

impl ComparisonStudy {
    /// A comparison without a calibration text, whose results are in `directory`.
    pub fn new(
        subject: Subject,
        settings: ComparisonSettings,
        compute: ComputeSettings,
        directory: impl Into<PathBuf>,
    ) -> Self {
        Self { subject, settings, compute, calibration: None, directory: directory.into() }
    }

    /// With the text that methods look at, never one that is evaluated.
    #[must_use]
    pub fn calibration(self, text: Option<TextSource>) -> Self {
        Self { calibration: text, ..self }
    }

    /// What is studied.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where the results are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn compute(&self) -> (&ComputeSettings, u64) {
        (&self.compute, self.settings.seed)
    }

    /// The kept cells.
    ///
    /// # Errors
    /// Those of [`CellStore::open`].
    pub fn store(&self) -> Result<CellStore, Error> {
        CellStore::open(&self.directory.join("cells"))
    }

    /// Every cell: the model as it is, and each method at each ratio.
    pub fn ids(&self) -> Vec<CellId> {
        let ComparisonSettings { presets, ratios, .. } = &self.settings;
        let pruned = presets.iter().flat_map(|&preset| {
            ratios.iter().map(move |ratio| CellId::Pruned { preset, ratio: ratio.get() })
        });
        std::iter::once(CellId::Dense).chain(pruned).collect()
    }

    /// What the result of a cell depends on; whether there can be such a cell is seen from the shapes.
    ///
    /// # Errors
    /// Those of [`Preset::of`], and [`Error::NeedsCalibration`].
    pub fn key(&self, id: CellId) -> Result<CellKey<(Preset, PresetSettings)>, Error> {
        let (preset, calibration) = match id {
            CellId::Dense => (None, None),
            CellId::Pruned { preset, ratio } => {
                let settings = self.preset_settings(preset, ratio)?;
                preset.of(self.subject.declared(), &settings)?;
                (Some((preset, settings)), self.calibration_key(preset)?)
            }
        };
        Ok(self.subject.key(COMPARISON_SCHEMA, preset, calibration, &self.compute))
    }

    /// The text of a method that looks at one.
    pub(super) fn text_of(&self, preset: Preset) -> Result<Option<&TextSource>, Error> {
        match (preset.needs_calibration(), &self.calibration) {
            (true, None) => Err(Error::NeedsCalibration { method: preset.name().into() }),
            (needed, text) => Ok(text.as_ref().filter(|_| needed)),
        }
    }

    pub(super) fn sampling_of(&self, preset: Preset) -> dress_prune::Sampling {
        self.settings.sampling_of(preset)
    }

    fn calibration_key(&self, preset: Preset) -> Result<Option<DataKey>, Error> {
        let key = |text| self.subject.calibration_key(text, &self.sampling_of(preset), self.settings.seed);
        self.text_of(preset)?.map(key).transpose()
    }

    /// A preset's settings, those of the regularization only where it trains.
    ///
    /// # Errors
    /// Those of [`Ratio::new`].
    pub(super) fn preset_settings(&self, preset: Preset, ratio: f64) -> Result<PresetSettings, Error> {
        let given = &self.settings;
        let ratio = Ratio::new(ratio)?;
        let amount = match given.by {
            RatioOf::Parameters => Amount::Parameters(ratio),
            RatioOf::EveryAxis => Amount::EveryAxis(ratio),
        };
        let mut settings = PresetSettings::new(amount);
        (settings.stock, settings.tile, settings.seed) = (given.stock, given.tile, given.seed);
        settings.served_by.clone_from(&given.served_by);
        if preset.trains() {
            settings.regularize = given.regularize.clone();
            settings.dress_axes.clone_from(&given.dress_axes);
            settings.dress_criterion = given.dress_criterion;
            let basis = preset.basis(self.subject.declared(), &given.dress_axes);
            let train = &mut settings.regularize.train;
            train.learning_rate.peak = given.learning_rate.unwrap_or_else(|| usual_learning_rate(basis));
            let usual = || Precision::of_weights(self.compute.dtype.dtype());
            (train.precision, train.seed) = (given.precision.unwrap_or_else(usual), given.seed);
            let run = self.run_directory(CellId::Pruned { preset, ratio: ratio.get() });
            // What a run with other settings left there is of no use to this one.
            (train.run_dir, train.replace_other_run) = (Some(run.path().into()), true);
        }
        Ok(settings)
    }

    /// Where a cell's training goes on.
    pub fn run_directory(&self, id: CellId) -> RunDirectory {
        RunDirectory::beside(&self.directory.join(id.to_string()))
    }

    /// Every cell with its key. What cannot be is refused here, before any work.
    ///
    /// # Errors
    /// Those of [`ComparisonStudy::key`].
    pub fn wanted(&self) -> Result<Vec<Wanted>, Error> {
        let wanted =
            |id: CellId| Ok(Wanted { name: id.to_string(), file: id.file(), key: self.key(id)?.hash() });
        self.ids().into_iter().map(wanted).collect()
    }

    /// The texts to evaluate on that are the calibration's own, so that perplexity there says nothing of
    /// other texts.
    ///
    /// # Errors
    /// Those of [`ComparisonStudy::key`].
    pub fn calibrated_on(&self) -> Result<Vec<EvaluatedText>, Error> {
        let calibrated = self.settings.presets.iter().find(|preset| preset.needs_calibration());
        let Some(calibration) = calibrated.map(|preset| self.calibration_key(*preset)).transpose()?.flatten()
        else {
            return Ok(Vec::new());
        };
        Ok(EvaluatedText::that_are(&self.key(CellId::Dense)?, &calibration))
    }

    /// The cells that [`ComparisonStudy::wanted`] names, each that is missing put into the store by
    /// `measure`, which says what came of it; tables and pictures are written anew after each. Returns how
    /// many cells were there already beside the comparison.
    ///
    /// # Errors
    /// Those of reading and writing the files.
    pub fn run(
        &self,
        wanted: &[Wanted],
        measure: impl FnMut(&Wanted, Turn) -> Outcome,
    ) -> Result<(Comparison, usize), Error> {
        let mut comparison = self.empty();
        let reused = each_cell(wanted, &self.store()?, measure, |wanted, cell| {
            match cell {
                Some(cell) => comparison.cells.push(cell),
                None => comparison.failed.push(wanted.name.clone()),
            }
            self.write(&comparison)
        })?;
        Ok((comparison, reused))
    }

    /// Every cell, those that are missing measured in this process, so that the peak memory of each counts
    /// what those before it took. A cell that fails is named in [`Comparison::failed`], and why is logged.
    ///
    /// # Errors
    /// Those of [`ComparisonStudy::run`].
    pub fn run_here(&self, progress: &dyn Progress) -> Result<Comparison, Error> {
        let wanted = self.wanted()?;
        for text in self.calibrated_on()? {
            tracing::warn!(
                "the {text} text is the calibration text: its perplexity says nothing of other texts"
            );
        }
        let store = self.store()?;
        let measured = |wanted: &Wanted| {
            let id: CellId = wanted.name.parse()?;
            store.put(&wanted.file, &self.measure(id, progress)?)
        };
        Ok(self.run(&wanted, |wanted, _| outcome_of(wanted, measured(wanted)))?.0)
    }

    fn empty(&self) -> Comparison {
        Comparison {
            schema: COMPARISON_SCHEMA,
            model: published_name(self.subject.checkpoint().path()),
            fingerprint: self.subject.fingerprint().clone(),
            by: self.settings.by.name().into(),
            cells: Vec::<Cell>::new(),
            failed: Vec::new(),
        }
    }

    fn write(&self, comparison: &Comparison) -> Result<(), Error> {
        let place = |name: &str| self.directory.join(name);
        let json = serde_json::to_string_pretty(comparison).expect("a comparison is numbers and texts");
        write_beside(&place("compare.json"), json.as_bytes())?;
        write_beside(&place("compare.md"), markdown(comparison).as_bytes())?;
        if comparison.cells.is_empty() {
            return Ok(());
        }
        write_picture(&self.directory, "compare", &picture(comparison)?)?;
        write_report(&self.directory, &comparison.report(), "Methods side by side")?;
        Ok(())
    }
}
