//! Principal components for a model whose head is its embedding.

use crate::basis::Rotate;
use crate::fold::{Gains, check_norms, fold_gains, gains};
use crate::moments::Moments;
use crate::principal_components::{PrincipalComponents, principal_components};
use crate::{Error, Rotated, rotate_to_principal_components};
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{
    Axis, AxisKind, AxisSlots, Basis, Calibration, CausalLm, CouplingMap, Normalization, Progress, Role,
    Site, Slot,
};
use faer::Mat;

/// One channel in so many keeps its own direction.
const KEPT_APART: usize = 12;

/// Turns the residual stream as [`rotate_to_principal_components`] does, and leaves the head the embedding.
///
/// A head that is the embedding has no weights of its own for the last norm's gains `g` to go into: in turned
/// coordinates they would have to be the matrix `Q^T diag(g) Q`, of which a norm has the diagonal alone. What
/// is left out of it vanishes where the gains are all alike, so the channels where `(g_i - median)^2` times
/// the energy is greatest, one in twelve, are left out of the rotation, and the others are turned among
/// themselves. The logits move by what remains; a model with a head of its own is rotated exactly.
///
/// # Errors
/// Those of [`rotate_to_principal_components`], and [`Error::NotRotatable`] for a tied head behind layer
/// norms.
pub fn rotate_tied<M: CausalLm>(
    model: M,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<Rotated<M>, Error> {
    let map = model.coupling();
    let residual = map.axis(Axis::Residual)?;
    if !is_tied(residual) {
        return rotate_to_principal_components(model, calibration, progress);
    }
    check_tied(residual)?;
    calibration.require(&model, "pca-tied")?;
    let gains = gains(&model, residual);
    let folded = fold_gains(model)?;
    let moments = Moments::collect(&folded, residual, calibration, progress)?;
    let TiedComponents { components: (basis, energy), last_gain } =
        TiedComponents::of(&moments, &gains, residual)?;
    let turned = parameters::map(folded, &mut Rotate::new(residual, &basis));
    let mut last = LastGain { slots: residual, gain: last_gain };
    Ok(Rotated { model: parameters::map(turned, &mut last), energy })
}

/// Checks that a head that is the embedding can stay so.
///
/// # Errors
/// [`Error::NotRotatable`] under layer norms.
pub(crate) fn check_tied(residual: &AxisSlots) -> Result<(), Error> {
    check_norms(residual)?;
    if residual.normalization != Some(Normalization::RootMeanSquare) {
        let reason = "its head is its embedding, and its layer norms would have to take the mean out of both";
        return Err(Error::NotRotatable { reason: reason.into() });
    }
    Ok(())
}

/// The basis in which `axes` of a model are best sliced: principal components where the width goes and they
/// can be had at no cost in parameters.
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{AxisKind, Basis, CausalLm};
/// use dress_prune::best_basis;
///
/// let map = model.coupling();
/// assert_eq!(best_basis(&map, &[AxisKind::Residual, AxisKind::Ffn]), Basis::Pca);
/// assert_eq!(best_basis(&map, &[AxisKind::Ffn]), Basis::Identity);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn best_basis(map: &CouplingMap, axes: &[AxisKind]) -> Basis {
    let residual = map.axis(Axis::Residual).ok().filter(|_| axes.contains(&AxisKind::Residual));
    match residual.map(|axis| (axis.normalization, is_tied(axis))) {
        Some((Some(Normalization::RootMeanSquare), true)) => Basis::PcaTied,
        Some((Some(Normalization::RootMeanSquare | Normalization::Layer), false)) => Basis::Pca,
        _ => Basis::Identity,
    }
}

pub(crate) fn is_tied(residual: &AxisSlots) -> bool {
    residual.slots.iter().any(|slot| slot.tied)
}

/// The directions of a stream before a tied head.
pub(crate) struct TiedComponents {
    pub components: PrincipalComponents,
    /// What the norm before the head multiplies by then.
    pub last_gain: Vec<f32>,
}

impl TiedComponents {
    /// Of a stream with these second moments, behind norms with these gains.
    ///
    /// # Errors
    /// [`Error::Eigen`].
    pub fn of(moments: &[f64], gains: &Gains, residual: &AxisSlots) -> Result<Self, Error> {
        let width = residual.len;
        let last: Vec<f64> = match gains.get(&Site::HeadInput) {
            Some(gain) => gain.to_data().iter().collect(),
            None => vec![1.0; width],
        };
        let apart = most_unlike(&last, moments);
        let components = partial_components(moments, &apart, width)?;
        let basis = &components.0;
        let diagonal = (0..width).map(|j| (0..width).map(|i| basis[(i, j)].powi(2) * last[i]).sum::<f64>());
        Ok(Self { last_gain: diagonal.map(|gain| gain as f32).collect(), components })
    }
}

/// Whether a slot is that of the gains of the norm before the head.
pub(crate) fn is_last_gain(slot: &Slot) -> bool {
    slot.role == Role::Scales && slot.site == Some(Site::HeadInput)
}

/// The channels, ascending, whose gains differ most from the others', weighed by their energy.
fn most_unlike(gains: &[f64], moments: &[f64]) -> Vec<usize> {
    let width = gains.len();
    let mut sorted = gains.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[width / 2];
    let unlike = |i: usize| (gains[i] - median).powi(2) * moments[i * width + i];
    let mut channels: Vec<usize> = (0..width).collect();
    channels.sort_by(|&a, &b| unlike(b).total_cmp(&unlike(a)));
    channels.truncate(width / KEPT_APART);
    channels.sort_unstable();
    channels
}

/// An orthogonal basis that holds the directions `apart` as they are and the principal components of the
/// other channels, by falling share of the energy.
fn partial_components(moments: &[f64], apart: &[usize], width: usize) -> Result<PrincipalComponents, Error> {
    let turned: Vec<usize> = (0..width).filter(|channel| apart.binary_search(channel).is_err()).collect();
    let among = turned.iter().flat_map(|i| turned.iter().map(move |j| moments[i * width + j]));
    let (components, shares) = principal_components(&among.collect::<Vec<_>>(), turned.len())?;
    let trace = (0..width).map(|i| moments[i * width + i]).sum::<f64>().max(f64::MIN_POSITIVE);
    let of_turned = turned.iter().map(|i| moments[i * width + i]).sum::<f64>() / trace;
    let mut columns: Vec<(f64, Vec<(usize, f64)>)> = Vec::with_capacity(width);
    columns.extend(apart.iter().map(|&i| (moments[i * width + i] / trace, vec![(i, 1.0)])));
    columns.extend(shares.iter().enumerate().map(|(j, share)| {
        let column = turned.iter().enumerate().map(|(row, &channel)| (channel, components[(row, j)]));
        (share * of_turned, column.collect())
    }));
    columns.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut basis = Mat::zeros(width, width);
    for (j, (_, column)) in columns.iter().enumerate() {
        column.iter().for_each(|&(i, value)| basis[(i, j)] = value);
    }
    Ok((basis, columns.into_iter().map(|(energy, _)| energy).collect()))
}

/// Sets the gains of the norm before the head.
struct LastGain<'a> {
    slots: &'a AxisSlots,
    gain: Vec<f32>,
}

impl ParameterMapper for LastGain<'_> {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let mut slots = self.slots.slots.iter();
        let Some(slot) = slots.find(|slot| slot.parameter == name && is_last_gain(slot)) else {
            return value;
        };
        let data = TensorData::new(self.gain.clone(), value.dims());
        let gain = Tensor::<D>::from_data(data, (&value.device(), DType::F32));
        (gain - slot.offset()).cast(value.dtype())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::burn::tensor::Device;
    use dress_core::{Component, MultipleOf};

    #[test]
    fn the_last_norms_gains_are_filed_as_its_slot_says() {
        for (plus_one, filed) in [(false, [1.5f32, 0.5]), (true, [0.5, -0.5])] {
            let slot = Slot::new("norm", 0, Role::Scales, Component::Rest).site(Site::HeadInput);
            let slots = vec![slot.plus_one(plus_one)];
            let slots = AxisSlots { len: 2, multiple_of: MultipleOf::ONE, normalization: None, slots };
            let mut last = LastGain { slots: &slots, gain: vec![1.5, 0.5] };
            let found = last.map("norm", Layout::AsFiled, Tensor::<1>::zeros([2], &Device::flex()));
            assert_eq!(found.into_data().iter::<f32>().collect::<Vec<_>>(), filed, "{plus_one}");
        }
    }
}
