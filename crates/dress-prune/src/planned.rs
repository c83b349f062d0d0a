//! Pruning by a plan that was made before.

use crate::{Allocation, AxisTarget, Error, PruneConfig, Pruned, prune};
use dress_core::{
    Axis, AxisKind, Basis, Calibration, CausalLm, CorpusProvenance, Progress, Ratio, Scorer, Scores,
    SlicePlan,
};
use std::collections::BTreeSet;

/// [`prune()`] with the selection of `plan` in place of scores: `config`'s targets, basis and allocation are
/// those of the plan, and so is the plan of the result.
///
/// A plan in another basis than the checkpoint's names components of the calibration blocks that it was made
/// on, and only of those.
///
/// # Errors
/// [`dress_core::Error::PlanForAnotherModel`], [`Error::DataOfPlan`], and those of [`prune()`] but for
/// scoring.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{AxisKind, Calibration, NoProgress, Ratio, StockTarget};
/// use dress_importance::Criterion;
/// use dress_prune::{AxisTarget, PruneConfig, plan, prune_as_planned};
///
/// let target = AxisTarget::new(AxisKind::Ffn, Ratio::new(0.25)?, 1);
/// let config = PruneConfig { stock: StockTarget::Dress, ..PruneConfig::new(vec![target]) };
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
/// let scorer = Criterion::MagnitudeL2.scorer(42);
/// let plan = plan(&model, scorer.as_ref(), &calibration, &config, &NoProgress)?;
/// let pruned = prune_as_planned(model, &plan, &calibration, &config, &NoProgress)?;
/// assert_eq!(pruned.plan, plan);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
