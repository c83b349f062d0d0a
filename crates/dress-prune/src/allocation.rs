//! How what goes is shared out over the layers.

use crate::select::{Exceptions, select_but};
use crate::{AxisTarget, Budget, Error, LayerRatios, PerLayer, Protected};
use dress_core::{CausalLm, Scores, Selection, StockTarget};
use serde::{Deserialize, Serialize};

/// How what goes is shared out over the layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// Every layer loses the same share, so that stock software can say the shape of the result.
    #[default]
    Uniform,
    /// The same, of axes whose shape was checked as a whole: of a kept count the target's tile alone is a
    /// divisor, as what the configuration wants of one axis depends on the others.
    Together,
    /// The same share of every layer but the first and the last few, which keep their neurons and heads
    /// (LLM-Pruner, arXiv 2305.11627).
    Sparing {
        /// Layers at the start that stay whole.
        first: usize,
        /// Layers at the end that stay whole.
        last: usize,
    },
    /// Every axis that is named has a ratio of its own, and all others that of their kind.
    ByLayer(LayerRatios),
    /// As the scores have it, over all axes and layers (FLAP, arXiv 2312.11983).
    PerLayer(PerLayer),
    /// As it was selected before, whatever the scores.
    Given(Selection),
}

impl Allocation {
    /// The layers of `layers` that keep their neurons and heads.
    pub fn spared(&self, layers: usize) -> Vec<usize> {
        match *self {
            Allocation::Sparing { first, last } => {
                (0..layers).filter(|&layer| layer < first || layer + last >= layers).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Checks that what this leads to can be loaded by `stock`.
    ///
    /// # Errors
    /// [`Error::LayersDiffer`] where the layers will differ and stock software has one number for all.
    pub fn check(&self, stock: StockTarget) -> Result<(), Error> {
        match self {
            // What is given is checked by its own shape, as every result is.
            Allocation::Uniform | Allocation::Together | Allocation::Given(_) => Ok(()),
            _ if stock == StockTarget::Dress => Ok(()),
            _ => Err(Error::LayersDiffer { target: stock }),
        }
    }

    /// Selects by `scores`; `model` is what a budget counts, and need not have its weights.
    pub(crate) fn select<M: CausalLm>(
        &self,
        model: &M,
        scores: &Scores,
        targets: &[AxisTarget],
        stock: StockTarget,
        protected: &Protected,
    ) -> Result<Selection, Error> {
        let map = model.coupling();
        let mut but = Exceptions { protected: protected.clone(), ..Exceptions::default() };
        match self {
            Allocation::PerLayer(per_layer) => per_layer.select(model, scores, targets, protected),
            Allocation::Given(selection) => {
                selection.check(&map)?;
                Ok(selection.clone())
            }
            // These crates want nothing of an axis by itself.
            Allocation::Together => select_but(scores, &map, targets, StockTarget::Dress, &but),
            Allocation::ByLayer(ratios) => {
                but.ratios.clone_from(ratios);
                select_but(scores, &map, targets, stock, &but)
            }
            Allocation::Uniform | Allocation::Sparing { .. } => {
                but.spared = self.spared(model.num_layers());
                select_but(scores, &map, targets, stock, &but)
            }
        }
    }

    /// The budget that the scores are to be shared out to, where they are.
    pub fn budget(&self) -> Option<Budget> {
        match self {
            Allocation::PerLayer(per_layer) => per_layer.budget,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_spared_and_nothing_else_is() {
        let sparing = Allocation::Sparing { first: 2, last: 1 };
        assert_eq!(sparing.spared(6), [0, 1, 5]);
        assert_eq!(Allocation::Sparing { first: 0, last: 0 }.spared(3), [0; 0]);
        assert_eq!(Allocation::Uniform.spared(3), [0; 0]);
        assert!(sparing.check(StockTarget::Dress).is_ok());
        let refused = sparing.check(StockTarget::All).unwrap_err().to_string();
        assert!(refused.contains("`stock = dress`"), "{refused}");
    }
}
