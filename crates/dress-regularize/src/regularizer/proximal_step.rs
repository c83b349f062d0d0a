//! Proximal steps on every selected part.

use super::try_visit::TryVisitor;
use super::{Regularizer, Thresholds};
use crate::selected_part::SelectedPart;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{Layout, ParameterMapper};
use dress_core::{Error as CoreError, round_at_random};

/// Looks at what takes each structure to zero.
pub(super) struct Measure<'a> {
    pub regularizer: &'a mut Regularizer,
}

impl TryVisitor for Measure<'_> {
    fn try_visit<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        parameter: &Param<Tensor<D>>,
    ) -> Result<(), CoreError> {
        let Regularizer { penalty, parts, .. } = &mut *self.regularizer;
        for part in parts.get_mut(name).into_iter().flatten() {
            let groups = part.groups(layout, &parameter.val().without_autodiff());
            part.initial = penalty.thresholds_to_zero(groups)?;
        }
        Ok(())
    }
}

/// A proximal step on every part, until the penalty fails.
pub(super) struct Shrink<'a> {
    pub regularizer: &'a Regularizer,
    pub thresholds: Thresholds,
    pub outcome: Result<(), CoreError>,
}

impl Shrink<'_> {
    /// The structures of one part after the step, or nothing where the penalty has none.
    fn shrunk(&self, part: &SelectedPart, groups: Tensor<2>) -> Result<Option<Tensor<2>>, CoreError> {
        let Regularizer { penalty, weights, .. } = self.regularizer;
        let Some(initial) = &part.initial else { return Ok(None) };
        let weight = weights.of(part.component);
        let thresholds = match self.thresholds {
            Thresholds::OfInitial { share, least } => {
                // What takes a structure of ones to zero is the same for all of them.
                let ones = groups.clone().narrow(0, 0, 1).ones_like();
                let unit = penalty.thresholds_to_zero(ones)?;
                let unit = unit.map_or_else(|| initial.zeros_like(), |unit| unit.expand(initial.dims()));
                (initial.clone() * share).max_pair(unit * least) * weight
            }
            Thresholds::Absolute(size) => initial.ones_like() * (size * weight),
        };
        penalty.shrink(groups, thresholds)
    }
}

impl ParameterMapper for Shrink<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, mut value: Tensor<D>) -> Tensor<D> {
        for part in self.regularizer.parts(name) {
            if self.outcome.is_err() {
                break;
            }
            match self.shrunk(part, part.groups(layout, &value)) {
                Ok(Some(shrunk)) => {
                    // A step below half of a half-precision weight's last bit would be lost, again and again.
                    let shrunk = round_at_random(part.filed(shrunk), value.dtype());
                    value = part.put(layout, value, shrunk);
                }
                Ok(None) => {}
                Err(error) => self.outcome = Err(error),
            }
        }
        value
    }
}
