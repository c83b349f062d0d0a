//! What rounding makes of the ratios of a recipe.

use crate::{Allocation, Error, ResolvedRecipe, RoundedRatio};
use dress_core::CausalLm;

impl ResolvedRecipe {
    /// What rounding makes of the ratios, where that is known before anything is scored and the layers have
    /// one ratio.
    ///
    /// # Errors
    /// Those of [`ResolvedRecipe::known_selection`].
    pub fn rounded<M: CausalLm>(&self, model: &M) -> Result<Vec<RoundedRatio>, Error> {
        let even = [Allocation::Uniform, Allocation::Together].contains(&self.config.allocation);
        let known = if even && self.plan.is_none() { self.known_selection(model)? } else { None };
        Ok(known.map_or_else(Vec::new, |selection| RoundedRatio::all(&selection, &self.config.targets)))
    }
}
