//! Other coordinates for a model of which one part at a time is in memory.

use crate::Error;
use crate::basis::in_f32;
use crate::fold::{Fold, Gains, check_norms, foldable_gains};
use crate::moments::Moments;
use crate::principal_components::components_of_stream;
use crate::tied_basis::{TiedComponents, check_tied, is_last_gain, is_tied};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{
    Axis, AxisSlots, Basis, Calibration, CausalLm, Normalization, Parts, Progress, Role, Rotation, Slot,
    Turn, TurnedChannels, parameters,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What turns a model, for whoever has its weights in files.
#[derive(Debug, Clone)]
pub struct RotatedByParts<M> {
    /// The turned model without its weights.
    pub declared: M,
    /// What becomes of each parameter.
    pub rotation: Rotation,
    /// As [`Rotated::energy`](crate::Rotated::energy).
    pub energy: Vec<f64>,
}

/// As [`rotate_to_principal_components`](crate::rotate_to_principal_components), or for [`Basis::PcaTied`] as
/// [`rotate_tied`](crate::rotate_tied), with one part of the model at a time in memory. The numbers are
/// rounded once where they are turned, instead of after each step.
///
/// # Errors
/// Those of [`rotate_tied`](crate::rotate_tied), [`Error::NothingToRotate`] for [`Basis::Identity`], and
/// those of [`Parts::part`].
pub fn rotate_by_parts<P: Parts>(
    parts: &P,
    basis: Basis,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<RotatedByParts<P::Model>, Error> {
    let dense = parts.declared();
    let map = dense.coupling();
    let residual = map.axis(Axis::Residual)?;
    let stays_tied = match basis {
        Basis::Identity => return Err(Error::NothingToRotate),
        Basis::Pca => false,
        Basis::PcaTied => is_tied(residual),
    };
    check_norms(residual)?;
    if stays_tied {
        check_tied(residual)?;
    }
    calibration.require(dense, &basis.to_string())?;
    let of_norms = |slot: &Slot| matches!(slot.role, Role::Scales | Role::Shifts);
    let norms =
        parts.filled(&|name| residual.slots.iter().any(|slot| slot.parameter == name && of_norms(slot)))?;
    let gains = foldable_gains(&norms, residual)?;
    let folded = Folded { parts, residual, gains: &gains };
    let norms = folded.fold(norms);
    let moments = Moments::collect_by_parts(&folded, &norms, residual, calibration, progress)?;
    let (found, last_gain) = match stays_tied {
        true => {
            let TiedComponents { components, last_gain } = TiedComponents::of(&moments, &gains, residual)?;
            (components, Some(last_gain))
        }
        false => (components_of_stream(&moments, residual)?, None),
    };
    let (basis, energy) = found;
    let declared = if stays_tied { dense.clone() } else { dense.clone().untied() };
    let turns = turns(residual, declared.coupling().axis(Axis::Residual)?, &gains, last_gain);
    let basis = Tensor::from_data(in_f32(&basis), (&dense.device(), DType::F32));
    Ok(RotatedByParts { declared, rotation: Rotation { basis, turns }, energy })
}

/// What becomes of each parameter of the turned model, whose stream is `turned`, from those of the dense one.
fn turns(
    dense: &AxisSlots,
    turned: &AxisSlots,
    gains: &Gains,
    last_gain: Option<Vec<f32>>,
) -> BTreeMap<String, Turn> {
    let by_site: BTreeMap<_, Arc<[f32]>> =
        gains.iter().map(|(&site, gain)| (site, gain.to_data().iter::<f32>().collect())).collect();
    let embedding = dense.slots.iter().find(|slot| slot.tied).map(|slot| &slot.parameter);
    let is_there = |parameter: &str| dense.slots.iter().any(|slot| slot.parameter == parameter);
    let turn = |slot: &Slot| {
        let gain = slot.site.and_then(|site| by_site.get(&site));
        let factors = match slot.role {
            Role::Scales => {
                let set = last_gain.clone().filter(|_| is_last_gain(slot));
                let gains = set.unwrap_or_else(|| vec![1.0; dense.len]);
                let offset = slot.offset() as f32;
                return Turn::Set(gains.into_iter().map(|gain| gain - offset).collect());
            }
            Role::Writes => None,
            Role::Reads => gain.cloned(),
            Role::Shifts => gain.map(|gain| gain.iter().map(|gain| 1.0 / gain).collect()),
        };
        Turn::Channels(TurnedChannels {
            from: embedding.filter(|_| !is_there(&slot.parameter)).cloned(),
            dim: slot.dim,
            centred: slot.role == Role::Writes && dense.normalization == Some(Normalization::Layer),
            factors,
        })
    };
    turned.slots.iter().map(|slot| (slot.parameter.clone(), turn(slot))).collect()
}

/// The parts of a model with the gains of its norms in what reads them. A head that is the embedding has no
/// room for them and its logits are others.
struct Folded<'a, P> {
    parts: &'a P,
    residual: &'a AxisSlots,
    gains: &'a Gains,
}

impl<P: Parts> Folded<'_, P> {
    fn fold(&self, model: P::Model) -> P::Model {
        parameters::map_initialized(model, &mut Fold { slots: self.residual, by_site: self.gains })
    }
}

impl<P: Parts> Parts for Folded<'_, P> {
    type Model = P::Model;

    fn declared(&self) -> &P::Model {
        self.parts.declared()
    }

    fn filled(&self, wanted: &dyn Fn(&str) -> bool) -> Result<P::Model, dress_core::Error> {
        self.parts.filled(wanted).map(|model| self.fold(model))
    }
}
