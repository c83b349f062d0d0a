//! Removing structures from every matrix.

use crate::Error;
use crate::centre_for::centre_for;
use crate::reindex::Reindex;
use dress_core::{Basis, CausalLm, Selection, SlicePlan, parameters};

/// Removes the selected structures from every slot of every axis, and rescales the norms that run
/// over a sliced axis: `weight * sqrt(d / d')`, `epsilon * d / d'` (identity E2). Exact wherever the
/// removed structures contribute nothing.
///
/// # Errors
/// Those of [`Selection::check`] and of [`CausalLm::resized`].
pub fn slice<M: CausalLm>(model: M, selection: &Selection) -> Result<M, Error> {
    let mut reindex = Reindex::slicing(&model, &model.coupling(), selection)?;
    Ok(parameters::map(model, &mut reindex).resized(selection)?)
}

/// Replays a plan on the checkpoint it was made from.
///
/// # Errors
/// [`dress_core::Error::PlanForAnotherModel`], [`Error::BasisOfPlan`], and those of [`slice()`].
pub fn apply<M: CausalLm>(model: M, plan: &SlicePlan) -> Result<M, Error> {
    plan.check(&model)?;
    if plan.basis != Basis::Identity {
        return Err(Error::BasisOfPlan { basis: plan.basis });
    }
    slice(centre_for(model, &plan.selection), &plan.selection)
}
