//! What a run costs, in blocks that go through the model.

use crate::{Compensation, Goal, Order, Passes, ResolvedRecipe};
use dress_core::{AxisKind, Basis};

/// Shapes that a search makes and measures: within a budget, and until one keeps to a perplexity.
const SHAPES: [usize; 2] = [3, 6];

impl Passes {
    /// How many passes forward take as long: one forward and back takes three times as long as one forward.
    pub fn in_forward_passes(self) -> usize {
        self.forward.saturating_add(self.backward.saturating_mul(3))
    }
}

impl ResolvedRecipe {
    /// About how many blocks go through all layers in a run on `blocks` calibration blocks. What a model that
    /// is sliced early saves is not taken off, and neither is what early stopping does.
    pub fn passes(&self, blocks: usize) -> Passes {
        let kinds = self.config.targets.len().max(1);
        let mut passes = Passes::default();
        if self.config.basis != Basis::Identity {
            passes.forward += blocks;
        }
        if let Some(search) = &self.search {
            let fitted = blocks.min(search.blocks).saturating_sub(search.held_back);
            let [within, until] = SHAPES;
            let shapes = if matches!(search.goal, Goal::Budget(_)) { within } else { until };
            passes.backward += fitted;
            passes.forward += search.held_back + shapes * ((1 + kinds) * fitted + search.held_back);
        }
        if self.scores_by_data() {
            match self.criteria.needs_gradients() {
                true => passes.backward += blocks,
                false => passes.forward += blocks,
            }
        }
        if self.config.compensation != Compensation::None {
            // A layer is passed once for each axis of it and once to go on.
            passes.forward += (1 + kinds) * blocks;
        }
        if let Some(settings) = &self.config.regularize {
            let seen = blocks.saturating_mul(settings.train.epochs);
            passes.backward = passes.backward.saturating_add(seen);
            let taught = settings.distill.map_or(0, |distill| if distill.cache { blocks } else { seen });
            passes.forward = passes.forward.saturating_add(taught);
        }
        let in_all = |passes: usize| passes.saturating_mul(self.rounds.max(1));
        Passes { forward: in_all(passes.forward), backward: in_all(passes.backward) }
    }

    /// Whether anything is scored by what the calibration blocks say.
    fn scores_by_data(&self) -> bool {
        let by_energy = |kind| self.config.basis != Basis::Identity && kind == AxisKind::Residual;
        let scored = self.config.targets.iter().any(|target| !by_energy(target.kind));
        let ordered = self.search.as_ref().is_none_or(|search| search.order == Order::Scores);
        self.plan.is_none() && scored && ordered && self.criteria.needs_calibration()
    }
}
