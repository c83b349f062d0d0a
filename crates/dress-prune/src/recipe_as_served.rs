//! What a recipe asks for where engines serve the result.

use crate::counted::counted;
use crate::served::ServedShapes;
use crate::{AxisTarget, Error, HowMuch, Measure, Recipe};
use dress_core::{AxisKind, CausalLm, Ratio};

impl Recipe {
    /// How much of each axis goes of `model`, by the sizes that the engines take.
    pub(crate) fn targets_as_served<M: CausalLm>(&self, model: &M) -> Result<Vec<AxisTarget>, Error> {
        let counted = self.counted(model);
        let shapes = self.shapes(model, &counted)?;
        match &self.how_much {
            // The plan says of what, and how much.
            HowMuch::Planned(_) => Ok(Vec::new()),
            HowMuch::Ratios(ratios) => {
                let asked: Vec<(AxisKind, Ratio)> =
                    self.by_ratios(ratios)?.iter().map(|target| (target.kind, target.ratio)).collect();
                if !self.per_layer {
                    return shapes.nearest(&asked);
                }
                shapes.check_differing(&self.axes)?;
                asked
                    .into_iter()
                    .map(|(kind, ratio)| Ok(AxisTarget::new(kind, ratio, shapes.step(kind)?)))
                    .collect()
            }
            HowMuch::RatiosOf(ratios) => {
                let asked: Vec<(AxisKind, Ratio)> =
                    self.by_ratios_of(ratios)?.iter().map(|target| (target.kind, target.ratio)).collect();
                shapes.nearest(&asked)
            }
            &HowMuch::Stays { measure, share } if !self.per_layer => {
                let spared: Vec<usize> = self.protected.layers.iter().copied().collect();
                shapes.largest(&self.axes, measure, share, &spared)
            }
            // The scores say how much of each.
            HowMuch::Stays { .. } => self.of_open_ratio(&shapes, &self.axes),
            // A search finds how much of which of these.
            searched => {
                let kinds = self.searched_kinds(model)?;
                if let HowMuch::Searched { measure: Measure::Bytes, share } = searched {
                    // Says at once where there is no such shape.
                    shapes.check_within(&kinds, *share)?;
                }
                self.of_open_ratio(&shapes, &kinds)
            }
        }
    }

    fn of_open_ratio<M: CausalLm>(
        &self,
        shapes: &ServedShapes<'_, M>,
        kinds: &[AxisKind],
    ) -> Result<Vec<AxisTarget>, Error> {
        if self.per_layer {
            shapes.check_differing(kinds)?;
        }
        kinds.iter().map(|&kind| Ok(AxisTarget::new(kind, Ratio::new(0.0)?, shapes.step(kind)?))).collect()
    }

    /// Of what a search keeps the neurons a multiple.
    pub(crate) fn tile_of_neurons<M: CausalLm>(&self, model: &M) -> Result<usize, Error> {
        match self.served_by.is_empty() {
            true => self.quantizable_neurons(model),
            false => self.shapes(model, &self.counted(model))?.step(AxisKind::Ffn),
        }
    }

    /// Whether a search may take heads: it takes them one group at a time.
    pub(crate) fn takes_any_heads<M: CausalLm>(&self, model: &M) -> bool {
        let step = || self.shapes(model, &self.counted(model))?.step(AxisKind::Heads);
        self.served_by.is_empty() || step().is_ok_and(|step| step == 1)
    }

    pub(crate) fn counted<M: CausalLm>(&self, model: &M) -> M {
        counted(model.clone(), self.basis(model), self.compensation)
    }

    fn shapes<'a, M: CausalLm>(&'a self, dense: &'a M, counted: &'a M) -> Result<ServedShapes<'a, M>, Error> {
        ServedShapes::new([dense, counted], self.stock, self.tile, &self.served_by)
            .map(|shapes| shapes.differing(self.per_layer))
    }
}
