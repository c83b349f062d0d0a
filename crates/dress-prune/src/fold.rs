//! The gains of the norms, put into what reads the norms.

use crate::Error;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Axis, AxisSlots, CausalLm, Normalization, Role, Site};
use std::collections::HashMap;

/// Puts the gains of every norm over the stream into what reads its output, and its biases over the gains.
///
/// # Errors
/// Those of [`foldable_gains`].
pub(crate) fn fold_gains<M: CausalLm>(model: M) -> Result<M, Error> {
    let map = model.coupling();
    let residual = map.axis(Axis::Residual)?;
    let by_site = foldable_gains(&model, residual)?;
    Ok(parameters::map(model, &mut Fold { slots: residual, by_site: &by_site }))
}

/// The gains that can be put into what reads the norms.
///
/// # Errors
/// [`Error::NotRotatable`] for norms behind attention and feed-forward and for gains that are zero under a
/// bias.
pub(crate) fn foldable_gains<M: CausalLm>(model: &M, residual: &AxisSlots) -> Result<Gains, Error> {
    check_norms(residual)?;
    let by_site = gains(model, residual);
    let has_shifts = residual.slots.iter().any(|slot| slot.role == Role::Shifts);
    let small = |gain: &Tensor<1>| gain.clone().abs().min().into_scalar::<f32>() < 1e-6;
    if has_shifts && by_site.values().any(small) {
        let reason = "a gain of one of its layer norms is zero, so that the bias beside it cannot be moved";
        return Err(Error::NotRotatable { reason: reason.into() });
    }
    Ok(by_site)
}

/// Checks that norms read the stream, and that nothing else does where they take its mean off.
///
/// # Errors
/// [`Error::NotRotatable`] where norms write it, or where the head reads a stream whose mean counts.
pub(crate) fn check_norms(residual: &AxisSlots) -> Result<(), Error> {
    let behind = [Normalization::PostLayer, Normalization::RootMeanSquareBehind];
    if residual.normalization.is_none_or(|norm| behind.contains(&norm)) {
        let reason = "its norms lie behind attention and feed-forward, so that no rotation can be put into what reads \
                      them";
        return Err(Error::NotRotatable { reason: reason.into() });
    }
    // Centring the stream changes nothing behind a layer norm, and the logits where the head reads the stream itself.
    let is_layer_norm = residual.normalization == Some(Normalization::Layer);
    let scaled =
        |site| residual.slots.iter().any(|slot| slot.role == Role::Scales && slot.site == Some(site));
    if is_layer_norm && !scaled(Site::HeadInput) {
        let reason = "no layer norm is before its head, which reads the stream with its mean, and a rotation needs a \
                      stream without one";
        return Err(Error::NotRotatable { reason: reason.into() });
    }
    Ok(())
}

/// What every norm over the stream multiplies by, in f32, by what it makes.
pub(crate) type Gains = HashMap<Site, Tensor<1>>;

/// The gains of a model's norms; of its parameters only these need values.
pub(crate) fn gains<M: CausalLm>(model: &M, slots: &AxisSlots) -> Gains {
    let mut read = ReadGains { slots, by_site: HashMap::new() };
    parameters::visit(model, &mut read);
    read.by_site
}

struct ReadGains<'a> {
    slots: &'a AxisSlots,
    by_site: Gains,
}

impl ParameterVisitor for ReadGains<'_> {
    fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
        let mut slots = self.slots.slots.iter();
        let Some(slot) = slots.find(|slot| slot.parameter == name && slot.role == Role::Scales) else {
            return;
        };
        if let Some(site) = slot.site {
            let gain = parameter.val().without_autodiff().cast(DType::F32) + slot.offset();
            self.by_site.insert(site, gain.reshape([-1]));
        }
    }
}

/// Puts gains into the parameters that it meets.
pub(crate) struct Fold<'a> {
    pub slots: &'a AxisSlots,
    pub by_site: &'a Gains,
}

impl ParameterMapper for Fold<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let Some(slot) = self.slots.slots.iter().find(|slot| slot.parameter == name) else { return value };
        let Some(gain) = slot.site.and_then(|site| self.by_site.get(&site)) else { return value };
        let (dim, dtype) = (layout.dim(slot.dim), value.dtype());
        let mut shape = [1; D];
        shape[dim] = gain.dims()[0];
        let gain: Tensor<D> = gain.clone().reshape(shape);
        let wide = value.cast(DType::F32);
        let folded = match slot.role {
            Role::Reads => wide * gain,
            Role::Scales => wide.ones_like() - slot.offset(),
            Role::Shifts => wide / gain,
            Role::Writes => wide,
        };
        folded.cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{Component, MultipleOf, Slot};

    fn stream(normalization: Normalization, norm_before_head: bool) -> AxisSlots {
        let writes = Slot::new("embed", 1, Role::Writes, Component::Rest).tied(true);
        let gain = Slot::new("norm", 0, Role::Scales, Component::Rest).site(Site::HeadInput);
        let slots = [Some(writes), norm_before_head.then_some(gain)].into_iter().flatten().collect();
        AxisSlots { len: 8, multiple_of: MultipleOf::ONE, normalization: Some(normalization), slots }
    }

    #[test]
    fn a_head_that_reads_the_mean_of_the_stream_is_not_rotated() {
        assert!(check_norms(&stream(Normalization::Layer, true)).is_ok());
        let message = check_norms(&stream(Normalization::Layer, false)).unwrap_err().to_string();
        assert!(message.contains("before its head") && message.contains("`basis = identity`"), "{message}");
        assert!(check_norms(&stream(Normalization::RootMeanSquare, false)).is_ok());
        assert!(check_norms(&stream(Normalization::PostLayer, true)).is_err());
    }
}
