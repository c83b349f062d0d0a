//! Measuring one cell.

use super::AblateArgs;
use super::rows::{Planned, Run};
use crate::ablation::{ABLATION_SCHEMA, AblationCell};
use crate::commands::PruneArgs;
use crate::commands::bench::{Bench, Made};
use crate::{Error, PruneResult};
use dress::PrunedCheckpoint;
use std::time::Instant;

impl AblateArgs {
    /// Measures one cell in this process.
    ///
    /// # Errors
    /// Those of loading, pruning and evaluating.
    pub(super) fn measure(&self, bench: &Bench, cell: &Planned) -> Result<AblationCell, Error> {
        let args = cell.run.as_ref().map_or(&self.base.prune, |run| &run.args);
        let common = args.common();
        let measured = bench.measure(common, || match &cell.run {
            Some(Run { args, .. }) => prune(bench, args),
            None => Ok(Made::dense(common.load(&bench.model)?)),
        })?;
        Ok(AblationCell {
            schema: ABLATION_SCHEMA,
            key: cell.key.clone(),
            settings: cell.run.as_ref().map(|run| run.settings.clone()),
            seed: cell.run.as_ref().map(|run| run.seed),
            measured,
        })
    }
}

fn prune(bench: &Bench, args: &PruneArgs) -> Result<Made, Error> {
    let forget = || args.run_directory().remove();
    // A run that was interrupted begins anew, or its minutes would be those of a part.
    forget();
    let began = Instant::now();
    let PrunedCheckpoint { model, result: PruneResult { result, .. }, .. } = args.prune()?;
    let seconds = began.elapsed().as_secs_f64();
    forget();
    let made = Made {
        kept: bench.kept(&result.plan.selection),
        criterion: result.plan.criterion.clone(),
        calibration: result.calibration,
        seconds,
        ..Made::dense(model)
    };
    Ok(made.reported(&result.plan, &result.report, result.parameters_before))
}
