//! Sums over what each structure owns of every slot.

use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{Axis, CausalLm, CouplingMap, Error, Scores, Slot};
use std::collections::{BTreeMap, HashMap};

/// One number a structure of one slot of a parameter.
pub(crate) trait SlotScore {
    /// The sums over each structure's elements of the slot: `[structures, 1]`, in f32. `None` where
    /// the slot does not count.
    fn of_slot<const D: usize>(
        &mut self,
        slot: &Slot,
        dim: usize,
        parameter: &Param<Tensor<D>>,
    ) -> Option<Tensor<2>>;
}

/// A parameter's value in f32, off the autodiff graph.
pub(crate) fn plain<const D: usize>(parameter: &Param<Tensor<D>>) -> Tensor<D> {
    parameter.val().without_autodiff().cast(DType::F32)
}

/// What each structure owns of a slot of `value`, summed. `[structures, 1]`
pub(crate) fn sum_per_structure<const D: usize>(value: Tensor<D>, dim: usize, block: usize) -> Tensor<2> {
    parameters::groups(value, dim, block).sum_dim(1)
}

/// For every structure of every axis, the sum over its slots of what `score` says.
///
/// # Errors
/// [`Error::AxisNotInModel`].
pub(crate) fn sum_over_slots<M: CausalLm>(
    model: &M,
    axes: &[Axis],
    score: &mut impl SlotScore,
) -> Result<BTreeMap<Axis, Vec<f64>>, Error> {
    let map = model.coupling();
    let mut visitor = SumOverSlots { slots: slots_by_parameter(&map, axes)?, sums: BTreeMap::new(), score };
    for &axis in axes {
        visitor.sums.insert(axis, vec![0.0; map.axis(axis)?.len]);
    }
    parameters::visit(model, &mut visitor);
    Ok(visitor.sums)
}

/// Scores whose every sum went through `finish`.
pub(crate) fn into_scores(
    sums: BTreeMap<Axis, Vec<f64>>,
    finish: impl Fn(f64) -> f64,
) -> Result<Scores, Error> {
    let mut scores = Scores::new();
    for (axis, sums) in sums {
        scores.insert(axis, sums.into_iter().map(&finish).collect())?;
    }
    Ok(scores)
}

fn slots_by_parameter(map: &CouplingMap, axes: &[Axis]) -> Result<HashMap<String, Vec<(Axis, Slot)>>, Error> {
    let mut slots: HashMap<String, Vec<(Axis, Slot)>> = HashMap::new();
    for &axis in axes {
        for slot in &map.axis(axis)?.slots {
            slots.entry(slot.parameter.clone()).or_default().push((axis, slot.clone()));
        }
    }
    Ok(slots)
}

struct SumOverSlots<'a, S> {
    slots: HashMap<String, Vec<(Axis, Slot)>>,
    sums: BTreeMap<Axis, Vec<f64>>,
    score: &'a mut S,
}

impl<S: SlotScore> ParameterVisitor for SumOverSlots<'_, S> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        for (axis, slot) in self.slots.get(name).into_iter().flatten() {
            let dim = layout.dim(slot.dim);
            let Some(scores) = self.score.of_slot(slot, dim, parameter) else { continue };
            let sums = self.sums.get_mut(axis).expect("every scored axis has its sums");
            sums.iter_mut().zip(scores.into_data().iter::<f64>()).for_each(|(sum, score)| *sum += score);
        }
    }
}
