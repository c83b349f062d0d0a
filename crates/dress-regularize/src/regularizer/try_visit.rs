//! Looking at parameters until that fails.

use dress_core::burn::module::Param;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{CausalLm, Error as CoreError};

/// Sees parameters as a [`ParameterVisitor`] does, which may fail.
pub(super) trait TryVisitor {
    /// Called once a parameter until it fails.
    fn try_visit<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        parameter: &Param<Tensor<D>>,
    ) -> Result<(), CoreError>;
}

/// Shows `visitor` the parameters of `model`, until it fails.
///
/// # Errors
/// What it fails with.
pub(super) fn try_visit<M: CausalLm>(model: &M, visitor: &mut impl TryVisitor) -> Result<(), CoreError> {
    let mut until = UntilItFails { visitor, outcome: Ok(()) };
    parameters::visit(model, &mut until);
    until.outcome
}

struct UntilItFails<'a, V> {
    visitor: &'a mut V,
    outcome: Result<(), CoreError>,
}

impl<V: TryVisitor> ParameterVisitor for UntilItFails<'_, V> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        if self.outcome.is_ok() {
            self.outcome = self.visitor.try_visit(name, layout, parameter);
        }
    }
}
