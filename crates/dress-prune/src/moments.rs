//! What the layers read, as second moments.

use crate::Error;
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{
    AxisSlots, Calibration, CausalLm, Forward, Parts, Progress, Role, Site, Tap, Unit, forward_last_by_parts,
};
use std::collections::BTreeMap;

/// The second moments of what the layers read, in f64, summed over the sites that are read.
pub(crate) struct Moments {
    sites: Vec<Site>,
    shifts: BTreeMap<Site, Tensor<1>>,
    sums: Vec<f64>,
}

impl Moments {
    /// None yet; `model` has the biases that the norms add.
    fn none<M: CausalLm>(model: &M, residual: &AxisSlots) -> Self {
        let norms = residual.slots.iter().filter(|slot| slot.role == Role::Scales);
        let mut shifts = Shifts { slots: residual, by_site: BTreeMap::new() };
        parameters::visit(model, &mut shifts);
        Self {
            sites: norms.filter_map(|slot| slot.site).collect(),
            shifts: shifts.by_site,
            sums: vec![0.0; residual.len * residual.len],
        }
    }

    /// Of a model whose gains are folded. `[width, width]`, row-major
    pub fn collect<M: CausalLm>(
        model: &M,
        residual: &AxisSlots,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Vec<f64>, Error> {
        let mut moments = Self::none(model, residual);
        let stage = progress.begin("covariance", Unit::Blocks, calibration.blocks.len() as u64);
        for block in &calibration.blocks {
            let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
            model.forward_last(tokens, &mut Forward::new(&mut moments));
            stage.advance(1)?;
        }
        Ok(moments.sums)
    }

    /// As [`Moments::collect`], of a model of which one part at a time is in memory. Of the parameters of
    /// `norms` only those of the norms need values.
    ///
    /// # Errors
    /// Those of [`forward_last_by_parts`].
    pub fn collect_by_parts<P: Parts>(
        parts: &P,
        norms: &P::Model,
        residual: &AxisSlots,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<Vec<f64>, Error> {
        let mut moments = Self::none(norms, residual);
        forward_last_by_parts(parts, calibration, &mut moments, "covariance", progress)?;
        Ok(moments.sums)
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
