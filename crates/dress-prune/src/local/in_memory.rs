//! Layers regularized one at a time of a model that is in memory.

use super::alone::Resident;
use super::{LayerReport, Local, StreamPlace};
use crate::centre_for::centre_for;
use crate::{Error, PruneConfig, PruneReport, Pruned, slice};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Calibration, CausalLm, Progress, SlicePlan};
use std::collections::HashMap;

/// Prunes `model` by `plan`, its layers regularized one at a time as `config` says.
///
/// # Errors
/// [`LocalError::Axis`](crate::LocalError::Axis) where something goes that no layer has alone, and those of
/// training.
pub(crate) fn prune_locally<M: CausalLm>(
    model: M,
    plan: &SlicePlan,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<Pruned<M>, Error> {
    let dtype = parameters::list(&model).first().map_or(DType::F32, |parameter| parameter.dtype);
    let local = Local::of(config, plan, calibration, dtype)?;
    let model = centre_for(model, &plan.selection);
    let (mut values, mut report) = (HashMap::new(), LayerReport::default());
    let layers = 0..model.num_layers();
    local.walk(
        &Resident(&model),
        &StreamPlace::Memory,
        &layers,
        progress,
        &mut |number, layer, of_layer| {
            parameters::visit(&layer, &mut Learnt { number, values: &mut values });
            report.append(of_layer);
            Ok(())
        },
    )?;
    let model = parameters::map(slice(model, &plan.selection)?, &mut Put { values });
    let LayerReport { curve, compensation } = report;
    let report = PruneReport { curve, compensation, ..PruneReport::default() };
    Ok(Pruned { model, plan: plan.clone(), report })
}

/// Keeps the parameters of the only layer of a model under the names that they have in the whole one.
struct Learnt<'a> {
    number: usize,
    values: &'a mut HashMap<String, Tensor<1>>,
}

impl ParameterVisitor for Learnt<'_> {
    fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
        if parameters::layer_of(name) != Some(0) {
            return;
        }
        let value = parameter.val().without_autodiff();
        let size = value.dims().iter().product::<usize>();
        self.values.insert(parameters::in_layer(name, self.number), value.reshape([size]));
    }
}

/// Puts parameters in by their names.
struct Put {
    values: HashMap<String, Tensor<1>>,
}

impl ParameterMapper for Put {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        match self.values.remove(name) {
            Some(learnt) => learnt.reshape(value.dims()),
            None => value,
        }
    }
}
