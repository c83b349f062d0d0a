//! Measuring one cell.

use super::methods::Methods;
use crate::commands::bench::Made;
use crate::comparison::{COMPARISON_SCHEMA, Cell, CellId};
use crate::{Error, TerminalProgress};
use dress_core::{Calibration, parameters};
use dress_prune::{Preset, Pruned};
use std::time::Instant;

impl Methods<'_> {
    /// Measures one cell in this process.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub fn measure(&self, id: CellId) -> Result<Cell, Error> {
        let key = self.key(id)?.hash();
        let common = &self.args.common;
        let (preset, ratio) = match id {
            CellId::Dense => (None, 0.0),
            CellId::Pruned { preset, ratio } => (Some(preset), ratio),
        };
        let make = || match preset {
            None => Ok(Made::dense(common.load(&self.args.model)?)),
            Some(preset) => self.prune(preset, ratio),
        };
        let measured = self.bench.measure(common, make)?;
        Ok(Cell { schema: COMPARISON_SCHEMA, key, preset, ratio, measured })
    }

    fn prune(&self, preset: Preset, ratio: f64) -> Result<Made, Error> {
        let (model, seed) = (self.args.common.load(&self.args.model)?, self.args.common.seed);
        let calibration = match preset.needs_calibration() {
            true => self.samples(preset).blocks(&self.args.model, seed)?,
            false => Calibration::default(),
        };
        let settings = self.settings(preset, ratio)?;
        if preset.trains() {
            self.run_directory(CellId::Pruned { preset, ratio }).explain_interrupt();
        }
        let began = Instant::now();
        let Pruned { model, plan, report } =
            preset.of(&model, &settings)?.prune(model, &calibration, &TerminalProgress::default())?;
        let seconds = began.elapsed().as_secs_f64();
        self.run_directory(CellId::Pruned { preset, ratio }).remove();
        let made = Made {
            kept: self.bench.kept(&plan.selection),
            criterion: plan.criterion.clone(),
            calibration: preset.needs_calibration().then_some(calibration.provenance),
            seconds,
            ..Made::dense(model)
        };
        Ok(made.reported(&plan, &report, parameters::count(&self.bench.declared)))
    }
}
