//! Other coordinates for the residual stream (identity E4).

use crate::{Error, centre};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Axis, AxisSlots, Calibration, CausalLm, Forward, Normalization, Progress, Role, Site, Tap};
use faer::{Mat, Side};
use std::collections::{BTreeMap, HashMap};

/// A model in other coordinates, with what each of them carries.
#[derive(Debug)]
pub struct Rotated<M> {
    /// The model; its logits are those of the one it was made from.
    pub model: M,
    /// The share of the energy of what the blocks read that each new channel carries, greatest first.
    pub energy: Vec<f64>,
}

/// Turns the residual stream so that its energy over the calibration blocks is packed into few channels.
///
/// Gains of the norms go into what reads them, a tied head gets weights of its own, and every matrix that reads
/// or writes the stream is multiplied by one orthogonal matrix. Under layer norms the stream is centred first, and
/// the matrix is `P H^T`: `P` the mean's direction and the principal components, `H` Helmert's contrasts. It
/// keeps the mean where it is, and its first `k` channels are the first `k - 1` components with mean zero, so that
/// ordinary layer norms go on working on however many channels stay.
///
/// # Errors
/// [`Error::NotRotatable`] for norms behind their blocks and for gains that are zero under a bias,
/// [`Error::Eigen`] where the covariance has no decomposition, and those of [`Calibration::require`].
pub fn rotate_to_principal_components<M: CausalLm>(
    model: M,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<Rotated<M>, Error> {
    calibration.require(&model, "pca")?;
    let folded = fold_gains(centre(model.untied()))?;
    let map = folded.coupling();
    let residual = map.axis(Axis::Residual)?;
    let moments = Moments::collect(&folded, residual, calibration, progress);
    let (mut basis, energy) = principal_components(&moments, residual.len)?;
    let mut energy = energy;
    if residual.normalization == Some(Normalization::Layer) {
        (basis, energy) = keep_the_mean(&basis, &energy);
    }
    let model = parameters::map(folded, &mut Rotate::new(residual, &basis));
    Ok(Rotated { model, energy })
}

/// Puts the gains of every norm over the stream into what reads its output, and its biases over the gains.
pub(crate) fn fold_gains<M: CausalLm>(model: M) -> Result<M, Error> {
    let map = model.coupling();
    let residual = map.axis(Axis::Residual)?;
    let not = |reason: &str| Error::NotRotatable { reason: reason.into() };
    if residual.normalization.is_none_or(|norm| norm == Normalization::PostLayer) {
        return Err(not(
            "its norms lie behind the blocks, so that no rotation can be put into what reads them",
        ));
    }
    let by_site = gains(&model, residual);
    let has_shifts = residual.slots.iter().any(|slot| slot.role == Role::Shifts);
    let small = |gain: &Tensor<1>| gain.clone().abs().min().into_scalar::<f32>() < 1e-6;
    if has_shifts && by_site.values().any(small) {
        return Err(not(
            "a gain of one of its layer norms is zero, so that the bias beside it cannot be moved",
        ));
    }
    Ok(parameters::map(model, &mut Fold { slots: residual, by_site }))
}

/// The gains of every norm over the stream, in f32, by what they make.
pub(crate) fn gains<M: CausalLm>(model: &M, slots: &AxisSlots) -> HashMap<Site, Tensor<1>> {
    let mut gains = Gains { slots, by_site: HashMap::new() };
    parameters::visit(model, &mut gains);
    gains.by_site
}

struct Gains<'a> {
    slots: &'a AxisSlots,
    by_site: HashMap<Site, Tensor<1>>,
}

impl ParameterVisitor for Gains<'_> {
    fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
        let mut slots = self.slots.slots.iter();
        let Some(slot) = slots.find(|slot| slot.parameter == name && slot.role == Role::Scales) else {
            return;
        };
        if let Some(site) = slot.site {
            let gain = parameter.val().without_autodiff().cast(DType::F32);
            self.by_site.insert(site, gain.reshape([-1]));
        }
    }
}

struct Fold<'a> {
    slots: &'a AxisSlots,
    by_site: HashMap<Site, Tensor<1>>,
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
            Role::Scales => wide.ones_like(),
            Role::Shifts => wide / gain,
            Role::Writes => wide,
        };
        folded.cast(dtype)
    }
}

/// The second moments of what the blocks read, in f64, summed over the sites that are read.
pub(crate) struct Moments {
    sites: Vec<Site>,
    shifts: BTreeMap<Site, Tensor<1>>,
    sums: Vec<f64>,
}

impl Moments {
    pub(crate) fn collect<M: CausalLm>(
        model: &M,
        residual: &AxisSlots,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Vec<f64> {
        let norms = residual.slots.iter().filter(|slot| slot.role == Role::Scales);
        let mut shifts = Shifts { slots: residual, by_site: BTreeMap::new() };
        parameters::visit(model, &mut shifts);
        let mut moments = Self {
            sites: norms.filter_map(|slot| slot.site).collect(),
            shifts: shifts.by_site,
            sums: vec![0.0; residual.len * residual.len],
        };
        progress.start("covariance", calibration.blocks.len() as u64);
        for block in &calibration.blocks {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            model.forward_last(tokens, &mut Forward::new(&mut moments));
            progress.advance(1, "");
        }
        progress.finish();
        moments.sums
    }
}

impl Tap for Moments {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        if !self.sites.contains(&site) {
            return value;
        }
        let [batch, seq, width] = value.dims();
        let mut wide = value.clone().without_autodiff().cast(DType::F32).reshape([batch * seq, width]);
        if let Some(shift) = self.shifts.get(&site) {
            wide = wide - shift.clone().unsqueeze();
        }
        let products = wide.clone().swap_dims(0, 1).matmul(wide).into_data();
        self.sums.iter_mut().zip(products.iter::<f64>()).for_each(|(sum, product)| *sum += product);
        value
    }
}

/// By site, the bias of the norm there.
struct Shifts<'a> {
    slots: &'a AxisSlots,
    by_site: BTreeMap<Site, Tensor<1>>,
}

impl ParameterVisitor for Shifts<'_> {
    fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
        let mut slots = self.slots.slots.iter();
        let Some(slot) = slots.find(|slot| slot.parameter == name && slot.role == Role::Shifts) else {
            return;
        };
        if let Some(site) = slot.site {
            let shift = parameter.val().without_autodiff().cast(DType::F32);
            self.by_site.insert(site, shift.reshape([-1]));
        }
    }
}

/// The eigenvectors of a symmetric matrix as columns, and what share of its trace each has, greatest first.
pub(crate) fn principal_components(moments: &[f64], width: usize) -> Result<(Mat<f64>, Vec<f64>), Error> {
    // Products in f32 are symmetric but for rounding.
    let matrix = Mat::from_fn(width, width, |i, j| 0.5 * (moments[i * width + j] + moments[j * width + i]));
    let eigen = matrix
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| Error::Eigen { reason: format!("{error:?}") })?;
    let (vectors, values) = (eigen.U(), eigen.S().column_vector());
    // Least first.
    let basis = Mat::from_fn(width, width, |i, j| vectors[(i, width - 1 - j)]);
    let trace = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let energy = (0..width).map(|j| values[width - 1 - j].max(0.0) / trace).collect();
    Ok((basis, energy))
}

/// `P H^T` of a centred stream, whose last component is the mean's direction and has no energy.
fn keep_the_mean(basis: &Mat<f64>, energy: &[f64]) -> (Mat<f64>, Vec<f64>) {
    let width = basis.nrows();
    let even = 1.0 / (width as f64).sqrt();
    // The first component is the mean; what is left of the others is orthogonal to it.
    let p = Mat::from_fn(width, width, |i, j| if j == 0 { even } else { basis[(i, j - 1)] });
    let helmert = Mat::from_fn(width, width, |i, j| {
        let scale = 1.0 / ((j * (j + 1)) as f64).sqrt();
        match j {
            0 => even,
            _ if i < j => scale,
            _ if i == j => -(j as f64) * scale,
            _ => 0.0,
        }
    });
    // Dropping channel `i` for `i >= k` drops the contrasts from `k` on: components from `k - 1` on.
    let energy = (0..width).map(|i| energy[i.saturating_sub(1)]).collect();
    (p * helmert.transpose(), energy)
}

/// Multiplies the side of every parameter that is on the stream by an orthogonal matrix.
pub(crate) struct Rotate<'a> {
    slots: &'a AxisSlots,
    /// `[width, width]`, row-major.
    basis: Vec<f32>,
}

impl<'a> Rotate<'a> {
    pub(crate) fn new(slots: &'a AxisSlots, basis: &Mat<f64>) -> Self {
        let width = basis.nrows();
        let numbers = (0..width * width).map(|flat| basis[(flat / width, flat % width)] as f32);
        Self { slots, basis: numbers.collect() }
    }
}

impl ParameterMapper for Rotate<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let slot = self.slots.slots.iter().find(|slot| slot.parameter == name && slot.role != Role::Scales);
        let Some(slot) = slot else { return value };
        let (dims, dim, dtype) = (value.dims(), layout.dim(slot.dim), value.dtype());
        let width = self.slots.len;
        let data = TensorData::new(self.basis.clone(), [width, width]);
        let basis: Tensor<2> = Tensor::from_data(data, (&value.device(), DType::F32));
        // A row a channel.
        let channels = parameters::groups(value.cast(DType::F32), dim, 1);
        parameters::ungroup(basis.swap_dims(0, 1).matmul(channels), dims, dim).cast(dtype)
    }
}
