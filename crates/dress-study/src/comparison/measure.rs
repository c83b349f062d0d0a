//! Measuring one cell.

use super::{COMPARISON_SCHEMA, Cell, CellId, ComparisonStudy};
use crate::{Error, MadeModel};
use dress::any_model;
use dress_core::{Calibration, Progress, parameters};
use dress_prune::{Preset, Pruned};
use std::time::Instant;

impl ComparisonStudy {
    /// Measures one cell in this process; nothing is kept.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub fn measure(&self, id: CellId, progress: &dyn Progress) -> Result<Cell, Error> {
        let key = self.key(id)?.hash();
        let (preset, ratio) = match id {
            CellId::Dense => (None, 0.0),
            CellId::Pruned { preset, ratio } => (Some(preset), ratio),
        };
        let (compute, seed) = self.compute();
        let make = || match preset {
            None => Ok(MadeModel::dense(compute.load(self.subject().checkpoint(), seed)?)),
            Some(preset) => self.prune(preset, ratio, progress),
        };
        let measured = self.subject().measure(compute, seed, progress, make)?;
        Ok(Cell { schema: COMPARISON_SCHEMA, key, preset, ratio, measured })
    }

    fn prune(&self, preset: Preset, ratio: f64, progress: &dyn Progress) -> Result<MadeModel, Error> {
        let (compute, seed) = self.compute();
        let checkpoint = self.subject().checkpoint();
        let model = compute.load(checkpoint, seed)?;
        let calibration = match self.text_of(preset)? {
            Some(text) => text.blocks(checkpoint, &self.sampling_of(preset), seed)?,
            None => Calibration::default(),
        };
        let settings = self.preset_settings(preset, ratio)?;
        let began = Instant::now();
        let run = preset.of(&model, &settings)?;
        let Pruned { model, plan, report } =
            any_model::prune(model, &run.criteria, &calibration, &run.config, progress)?;
        let seconds = began.elapsed().as_secs_f64();
        self.run_directory(CellId::Pruned { preset, ratio }).remove();
        let made = MadeModel {
            kept: self.subject().kept(&plan.selection),
            criterion: plan.criterion.clone(),
            calibration: preset.needs_calibration().then_some(calibration.provenance),
            seconds,
            ..MadeModel::dense(model)
        };
        Ok(made.reported(&plan, &report, parameters::count(self.subject().declared())))
    }
}
