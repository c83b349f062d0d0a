//! Measuring one cell.

use super::study::SeededRun;
use super::{ABLATION_SCHEMA, AblationCell, AblationStudy, PlannedCell};
use crate::{Error, MadeModel};
use dress::{PruneResult, PrunedCheckpoint};
use dress_core::Progress;
use std::time::Instant;

impl AblationStudy {
    /// Measures one cell in this process; nothing is kept.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub fn measure(&self, cell: &PlannedCell, progress: &dyn Progress) -> Result<AblationCell, Error> {
        let run = cell.run.as_ref();
        let compute = run.map_or(&self.dense, |run| &run.run.compute);
        let seed = run.map_or(self.dense_seed(), |run| run.seed);
        let measured = self.subject.measure(compute, seed, progress, || match run {
            Some(run) => self.prune(run, progress),
            None => Ok(MadeModel::dense(compute.load(self.subject.checkpoint(), seed)?)),
        })?;
        Ok(AblationCell {
            schema: ABLATION_SCHEMA,
            key: cell.key.clone(),
            settings: run.map(|run| run.settings.clone()),
            seed: run.map(|run| run.seed),
            measured,
        })
    }

    /// The base's own seed, with which the model as it is is loaded.
    fn dense_seed(&self) -> u64 {
        self.variants.first().map_or(42, |base| base.run.recipe.seed)
    }

    fn prune(&self, run: &SeededRun, progress: &dyn Progress) -> Result<MadeModel, Error> {
        // A run that was interrupted begins anew, or its minutes would be those of a part.
        run.directory.remove();
        let began = Instant::now();
        let PrunedCheckpoint { model, result: PruneResult { result, .. }, .. } =
            self.pruned(run, progress)?;
        let seconds = began.elapsed().as_secs_f64();
        run.directory.remove();
        let made = MadeModel {
            kept: self.subject.kept(&result.plan.selection),
            criterion: result.plan.criterion.clone(),
            calibration: result.calibration,
            seconds,
            ..MadeModel::dense(model)
        };
        Ok(made.reported(&result.plan, &result.report, result.parameters_before))
    }

    fn pruned(&self, run: &SeededRun, progress: &dyn Progress) -> Result<PrunedCheckpoint, Error> {
        let checkpoint = self.subject.checkpoint();
        let job = run.run.job(checkpoint)?;
        Ok(job.run(&run.run.blocks(checkpoint)?, progress)?)
    }
}
