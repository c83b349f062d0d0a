//! Pruning by a plan that was made before.

use crate::{Allocation, AxisTarget, Error, PruneConfig, Pruned, prune};
use dress_core::{
    Axis, AxisKind, Basis, Calibration, CausalLm, CorpusProvenance, Progress, Ratio, Scorer, Scores,
    SlicePlan,
};
use std::collections::BTreeSet;

/// [`prune()`] with the selection of `plan` in place of scores: `config`'s targets, basis and allocation are those of the
/// plan, and so is the plan of the result.
///
/// A plan in another basis than the checkpoint's names components of the calibration blocks that it was made on, and
/// only of those.
///
/// # Errors
/// [`dress_core::Error::PlanForAnotherModel`], [`Error::DataOfPlan`], and those of [`prune()`] but for scoring.
pub fn prune_as_planned<M: CausalLm>(
    model: M,
    plan: &SlicePlan,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<Pruned<M>, Error> {
    plan.check(&model)?;
    check_data(plan, &calibration.provenance)?;
    let config = PruneConfig {
        targets: targets(plan)?,
        basis: plan.basis,
        allocation: Allocation::Given(plan.selection.clone()),
        ..config.clone()
    };
    let unscored = Unscored { criterion: &plan.criterion };
    let pruned = prune(model, &unscored, calibration, &config, progress)?;
    Ok(Pruned { plan: plan.clone(), ..pruned })
}

/// The kinds of axes of a plan. How much goes of each is in its selection.
fn targets(plan: &SlicePlan) -> Result<Vec<AxisTarget>, Error> {
    let kinds: BTreeSet<AxisKind> = plan.selection.iter().map(|(axis, _)| axis.kind()).collect();
    let ratio = Ratio::new(0.0)?;
    Ok(kinds.into_iter().map(|kind| AxisTarget { kind, ratio, tile: 1 }).collect())
}

fn check_data(plan: &SlicePlan, found: &CorpusProvenance) -> Result<(), Error> {
    let planned = plan.calibration.clone().unwrap_or_default();
    // A file may have moved.
    let same = CorpusProvenance { path: planned.path.clone(), ..found.clone() } == planned;
    if plan.basis == Basis::Identity || same {
        return Ok(());
    }
    Err(Error::DataOfPlan { basis: plan.basis, planned: planned.into(), found: found.clone().into() })
}

/// Stands where a scorer would.
struct Unscored<'a> {
    criterion: &'a str,
}

impl<M: CausalLm> Scorer<M> for Unscored<'_> {
    fn name(&self) -> &str {
        self.criterion
    }

    fn needs_calibration(&self) -> bool {
        false
    }

    fn score(
        &self,
        _model: &M,
        _calibration: &Calibration,
        _axes: &[Axis],
        _progress: &dyn Progress,
    ) -> Result<Scores, dress_core::Error> {
        Ok(Scores::new())
    }
}
