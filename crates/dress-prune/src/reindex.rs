//! Taking some indices of every slot of an axis, in some order.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use dress_core::burn;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Axis, AxisSlots, CausalLm, CouplingMap, Error, Role, Selection};
use std::collections::HashMap;

/// Moves the selected structures of every axis to its end; the logits do not change (identity E1).
///
/// # Errors
/// Those of [`Selection::check`].
pub fn permute<M: CausalLm>(model: M, selection: &Selection) -> Result<M, Error> {
    let map = model.coupling();
    selection.check(&map)?;
    let mut reindex = Reindex::new(&map);
    for (axis, chosen) in selection.iter() {
        reindex.take(axis, &chosen.permutation(), 1.0)?;
    }
    Ok(parameters::map(model, &mut reindex))
}

/// Per parameter, which indices of which dimensions to take, and a factor.
pub(crate) struct Reindex<'a> {
    map: &'a CouplingMap,
    takes: HashMap<String, Vec<Take>>,
}

struct Take {
    dim: usize,
    indices: Vec<i32>,
    factor: f64,
}

impl<'a> Reindex<'a> {
    pub fn new(map: &'a CouplingMap) -> Self {
        Self { map, takes: HashMap::new() }
    }

    /// Takes the structures `order` of `axis`, the gains of its norms multiplied by `gain`.
    pub fn take(&mut self, axis: Axis, order: &[usize], gain: f64) -> Result<(), Error> {
        let AxisSlots { normalized, slots, .. } = self.map.axis(axis)?;
        for slot in slots {
            let indices = order.iter().flat_map(|&i| i * slot.block..(i + 1) * slot.block);
            let factor = if *normalized && slot.role == Role::Scales { gain } else { 1.0 };
            let take = Take { dim: slot.dim, indices: indices.map(|i| i as i32).collect(), factor };
            self.takes.entry(slot.parameter.clone()).or_default().push(take);
        }
        Ok(())
    }
}

impl ParameterMapper for Reindex<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let takes = self.takes.get(name).map_or(&[][..], Vec::as_slice);
        takes.iter().fold(value, |value, take| take.apply(layout, value))
    }
}

impl Take {
    fn apply<const D: usize>(&self, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let taken = value.clone().select(layout.dim(self.dim), self.index(&value.device()));
        if self.factor == 1.0 {
            return taken;
        }
        let dtype = taken.dtype();
        (taken.cast(DType::F32) * self.factor).cast(dtype)
    }

    fn index(&self, device: &Device) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(self.indices.clone(), [self.indices.len()]), device)
    }
}
