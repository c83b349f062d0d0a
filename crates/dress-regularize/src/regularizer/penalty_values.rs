//! What a penalty is of every selected part, and its gradients.

use super::try_visit::TryVisitor;
use super::{PenaltyTerms, Regularizer};
use dress_core::burn::module::Param;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::Layout;
use dress_core::{Component, Error as CoreError};
use std::collections::HashMap;

/// The penalty of every part, without any weight.
pub(super) struct Values<'a> {
    pub regularizer: &'a Regularizer,
    pub values: HashMap<String, Vec<f64>>,
}

impl TryVisitor for Values<'_> {
    fn try_visit<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        parameter: &Param<Tensor<D>>,
    ) -> Result<(), CoreError> {
        for part in self.regularizer.parts(name) {
            let groups = part.groups(layout, &parameter.val().without_autodiff());
            // A penalty with a tiny number under its root is not zero at zero.
            let is_zero = groups.clone().abs().max().into_scalar::<f32>() == 0.0;
            let value = f64::from(self.regularizer.penalty.value(groups)?.into_scalar::<f32>());
            let value = if is_zero { 0.0 } else { value };
            self.values.entry(name.into()).or_default().push(value);
        }
        Ok(())
    }
}

/// The weighted sum of the penalty of every part.
pub(super) struct Sum<'a> {
    pub regularizer: &'a Regularizer,
    pub terms: PenaltyTerms,
}

impl TryVisitor for Sum<'_> {
    fn try_visit<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        parameter: &Param<Tensor<D>>,
    ) -> Result<(), CoreError> {
        for part in self.regularizer.parts(name) {
            let weight = self.regularizer.weights.of(part.component);
            let groups = part.groups(layout, &parameter.val());
            let term = self.regularizer.penalty.value(groups)? * (weight * part.unit);
            let sum = match part.component {
                Component::Attention => &mut self.terms.attention,
                Component::Ffn => &mut self.terms.ffn,
                Component::Rest => &mut self.terms.rest,
            };
            *sum = sum.clone() + term;
        }
        Ok(())
    }
}

/// The gradients of a penalty beside others, each part on a graph of its own.
pub(super) struct Penalized<'a> {
    pub regularizer: &'a Regularizer,
    pub gradients: GradientsParams,
    pub factor: f64,
    pub terms: Vec<Tensor<1>>,
}

impl TryVisitor for Penalized<'_> {
    fn try_visit<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        parameter: &Param<Tensor<D>>,
    ) -> Result<(), CoreError> {
        let parts = self.regularizer.parts(name);
        let mut gradient = if parts.is_empty() { None } else { self.gradients.remove::<D>(parameter.id) };
        for part in parts {
            let weight = self.factor * self.regularizer.weights.of(part.component) * part.unit;
            let groups = part.groups(layout, &parameter.val().without_autodiff()).autodiff().require_grad();
            let term = self.regularizer.penalty.value(groups.clone())? * weight;
            let slopes = groups.grad(&term.backward());
            self.terms.push(term.without_autodiff());
            gradient = gradient.zip(slopes).map(|(gradient, slopes)| {
                let together = part.rows(layout, &gradient) + slopes;
                part.put(layout, gradient, together)
            });
        }
        if let Some(gradient) = gradient {
            self.gradients.register(parameter.id, gradient);
        }
        Ok(())
    }
}
