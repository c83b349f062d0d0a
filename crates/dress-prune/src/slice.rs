//! Removing structures from every matrix.

use crate::Error;
use crate::centre_for::centre_for;
use crate::reindex::Reindex;
use dress_core::{Basis, CausalLm, Selection, SlicePlan, parameters};

/// Removes the selected structures from every slot of every axis, and rescales the norms that run
/// over a sliced axis: `weight * sqrt(d / d')`, `epsilon * d / d'` (identity [E2]). Exact wherever the
/// removed structures contribute nothing.
///
/// # Errors
/// Those of [`Selection::check`] and of [`CausalLm::resized`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, CausalLm, Forward, NoTap, Selection};
/// use dress_core::burn::tensor::{Int, Tensor};
/// use dress_prune::{mask, slice};
///
/// let mut selection = Selection::new();
/// for layer in 0..2 {
///     selection = selection.with(Axis::Ffn { layer }, AxisSelection::new(24, vec![0, 5, 7, 11])?);
/// }
/// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
/// let logits = |model: &dress_models::AnyModel| model.forward(tokens.clone(), &mut Forward::new(&mut NoTap));
/// // Structures that write nothing can be sliced out without a change (E5).
/// let zeroed = mask(model.clone(), &selection)?;
/// let sliced = slice(zeroed.clone(), &selection)?;
/// let moved = (logits(&zeroed) - logits(&sliced)).abs().max().into_scalar::<f32>();
/// assert!(moved < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [E2]: dress_core::identities#e2
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
