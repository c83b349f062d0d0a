//! What a comparison will take.

use super::{CellId, ComparisonStudy};
use crate::{Error, RehearsedCells};
use dress::{Estimate, StageTimes, stage_factor};
use dress_core::{Calibration, Progress};
use dress_prune::Preset;
use std::time::Instant;

/// Blocks that are enough to see what each takes.
const FEW: usize = 5;

impl ComparisonStudy {
    /// What every method takes at its first ratio, by a run of it on a few blocks and an evaluation of what
    /// comes of it; at the other ratios it takes as long. Nothing is written, and kept cells are not looked
    /// for.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub fn rehearse(&self, progress: &dyn Progress) -> Result<Vec<RehearsedCells>, Error> {
        let mut rows: Vec<RehearsedCells> = Vec::new();
        for id in self.ids() {
            let name = match id {
                CellId::Dense => "dense",
                CellId::Pruned { preset, .. } => preset.name(),
            };
            if let Some(known) = rows.iter_mut().find(|row| row.name == name) {
                known.cells += 1;
                continue;
            }
            let estimate = match id {
                CellId::Dense => {
                    let (compute, seed) = self.compute();
                    let dense = compute.load(self.subject().checkpoint(), seed)?;
                    self.subject().rehearse_evaluation(&dense, progress)?
                }
                CellId::Pruned { preset, ratio } => self.rehearse_method(preset, ratio, progress)?,
            };
            rows.push(RehearsedCells { name: name.into(), cells: 1, estimate });
        }
        Ok(rows)
    }

    fn rehearse_method(
        &self,
        preset: Preset,
        ratio: f64,
        progress: &dyn Progress,
    ) -> Result<Estimate, Error> {
        let ((compute, seed), checkpoint) = (self.compute(), self.subject().checkpoint());
        let calibration = match self.text_of(preset)? {
            Some(text) => text.blocks(checkpoint, &self.sampling_of(preset), seed)?,
            None => Calibration::default(),
        };
        let mut settings = self.preset_settings(preset, ratio)?;
        let train = &mut settings.regularize.train;
        let (whole, all) = (calibration.blocks.len(), train.steps_on(calibration.blocks.len()));
        let few = FEW.saturating_mul(train.batch_size * train.accumulation).min(whole);
        (train.epochs, train.run_dir) = (1, None);
        let steps = [train.steps_on(few), all];
        let provenance = calibration.provenance.clone();
        let blocks = Calibration { blocks: calibration.blocks[..few].to_vec(), provenance };
        let (began, times) = (Instant::now(), StageTimes::new(progress));
        let model = compute.load(checkpoint, seed)?;
        let made = preset.of(&model, &settings)?.prune(model, &blocks, &times)?;
        let estimate = times
            .estimate(began.elapsed().as_secs_f64(), |timed| stage_factor(&timed.stage, [few, whole], steps));
        Ok(estimate.and(self.subject().rehearse_evaluation(&made.model, progress)?))
    }
}
