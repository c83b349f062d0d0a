//! Other coordinates for the residual stream (identity [E4]).
//!
//! [E4]: dress_core::identities#e4

use crate::fold::fold_gains;
use crate::moments::Moments;
use crate::principal_components::components_of_stream;
use crate::{Error, centre};
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Axis, AxisSlots, Calibration, CausalLm, Progress, Role};
use faer::Mat;

/// A model in other coordinates, with what each of them carries.
#[derive(Debug)]
pub struct Rotated<M> {
    /// The model; its logits are those of the one it was made from.
    pub model: M,
    /// The share of the energy of what the layers read that each new channel carries, greatest first.
    pub energy: Vec<f64>,
}

/// Turns the residual stream so that its energy over the calibration blocks is packed into few channels.
///
/// Gains of the norms go into what reads them, a tied head gets weights of its own, and every matrix that
/// reads or writes the stream is multiplied by one orthogonal matrix. Under layer norms the stream is centred
/// first, and the matrix is `P H^T`: `P` the mean's direction and the principal components, `H` Helmert's
/// contrasts. It keeps the mean where it is, and its first `k` channels are the first `k - 1` components with
/// mean zero, so that ordinary layer norms go on working on however many channels stay.
///
/// # Errors
/// [`Error::NotRotatable`] for norms behind attention and feed-forward and for gains that are zero under a
/// bias, [`Error::Eigen`] where the covariance has no decomposition, and those of [`Calibration::require`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Calibration, NoProgress};
/// use dress_prune::rotate_to_principal_components;
///
/// let calibration = Calibration::from_blocks((0..8).map(|i| (i..i + 16).collect()).collect());
/// let rotated = rotate_to_principal_components(model, &calibration, &NoProgress)?;
/// // The first channels carry most of the energy.
/// assert!(rotated.energy.len() == 16 && rotated.energy[0] > rotated.energy[15]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn rotate_to_principal_components<M: CausalLm>(
    model: M,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<Rotated<M>, Error> {
    calibration.require(&model, "pca")?;
    let folded = fold_gains(centre(model.untied()))?;
    let map = folded.coupling();
    let residual = map.axis(Axis::Residual)?;
    let moments = Moments::collect(&folded, residual, calibration, progress)?;
    let (basis, energy) = components_of_stream(&moments, residual)?;
    let model = parameters::map(folded, &mut Rotate::new(residual, &basis));
    Ok(Rotated { model, energy })
}

/// Multiplies the side of every parameter that is on the stream by an orthogonal matrix.
pub(crate) struct Rotate<'a> {
    slots: &'a AxisSlots,
    basis: TensorData,
}

impl<'a> Rotate<'a> {
    pub(crate) fn new(slots: &'a AxisSlots, basis: &Mat<f64>) -> Self {
        Self { slots, basis: in_f32(basis) }
    }
}

/// A basis as a tensor of the same shape holds it. `[width, width]`
pub(crate) fn in_f32(basis: &Mat<f64>) -> TensorData {
    let width = basis.nrows();
    let numbers = (0..width * width).map(|flat| basis[(flat / width, flat % width)] as f32);
    TensorData::new(numbers.collect(), [width, width])
}

impl ParameterMapper for Rotate<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let slot = self.slots.slots.iter().find(|slot| slot.parameter == name && slot.role != Role::Scales);
        let Some(slot) = slot else { return value };
        let (dims, dim, dtype) = (value.dims(), layout.dim(slot.dim), value.dtype());
        let basis: Tensor<2> = Tensor::from_data(self.basis.clone(), (&value.device(), DType::F32));
        // A row a channel.
        let channels = parameters::groups(value.cast(DType::F32), dim, 1);
        parameters::ungroup(basis.swap_dims(0, 1).matmul(channels), dims, dim).cast(dtype)
    }
}
