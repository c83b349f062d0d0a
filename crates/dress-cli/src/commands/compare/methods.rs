//! The cells of a comparison: a preset, its settings, and what it is calibrated on.

use super::{By, CompareArgs};
use crate::Error;
use crate::cells::{CellKey, DataKey};
use crate::commands::bench::Bench;
use crate::commands::common_args::CalibrationArgs;
use crate::commands::run_directory::RunDirectory;
use crate::comparison::{COMPARISON_SCHEMA, CellId};
use dress_core::Ratio;
use dress_prune::{Amount, Preset, PresetSettings};

/// The methods that are compared.
pub(super) struct Methods<'a> {
    pub args: &'a CompareArgs,
    pub bench: Bench,
}

impl Methods<'_> {
    /// What the result of a cell depends on; whether there can be such a cell is seen from the shapes.
    ///
    /// # Errors
    /// Those of [`Preset::of`], and [`Error::NeedsCalibration`].
    pub fn key(&self, id: CellId) -> Result<CellKey<(Preset, PresetSettings)>, Error> {
        let (preset, calibration) = match id {
            CellId::Dense => (None, None),
            CellId::Pruned { preset, ratio } => {
                let settings = self.settings(preset, ratio)?;
                preset.of(&self.bench.declared, &settings)?;
                (Some((preset, settings)), self.calibration_key(preset)?)
            }
        };
        Ok(self.bench.key(COMPARISON_SCHEMA, preset, calibration, &self.args.common))
    }

    /// A preset's settings, those of the regularization only where it trains.
    ///
    /// # Errors
    /// Those of [`Ratio::new`].
    pub fn settings(&self, preset: Preset, ratio: f64) -> Result<PresetSettings, Error> {
        let args = self.args;
        let ratio = Ratio::new(ratio)?;
        let amount = match args.by {
            By::Params => Amount::Parameters(ratio),
            By::Width => Amount::Width(ratio),
        };
        let mut settings = PresetSettings::new(amount);
        (settings.stock, settings.tile, settings.seed) = (args.target, args.tile, args.common.seed);
        if preset.trains() {
            let run = self.run_directory(CellId::Pruned { preset, ratio: ratio.get() });
            let basis = preset.basis(&self.bench.declared, &args.dress_axis);
            settings.regularize = args.regularize.config(&args.common, run, basis)?;
            settings.dress_axes.clone_from(&args.dress_axis);
            settings.dress_criterion = args.dress_criterion;
        }
        Ok(settings)
    }

    /// Where a cell's run goes on. What one with other settings left there is of no use to this one.
    pub fn run_directory(&self, id: CellId) -> RunDirectory {
        RunDirectory::of(&self.args.out.join(id.to_string()), true)
    }

    /// The blocks that a preset sees.
    pub fn samples(&self, preset: Preset) -> CalibrationArgs {
        let mut blocks = self.args.calibration.clone();
        if preset.searches() {
            blocks.samples = self.args.search_samples;
        }
        if preset.trains() {
            blocks.samples = self.args.train_samples.unwrap_or(blocks.samples);
        }
        blocks
    }

    fn calibration_key(&self, preset: Preset) -> Result<Option<DataKey>, Error> {
        if !preset.needs_calibration() {
            return Ok(None);
        }
        let key = self.bench.calibration_key(&self.samples(preset), self.args.common.seed)?;
        match key {
            Some(key) => Ok(Some(key)),
            None => Err(Error::NeedsCalibration { criterion: preset.name().into() }),
        }
    }
}
