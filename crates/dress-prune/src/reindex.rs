//! Taking some indices of every slot of an axis, in some order.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use dress_core::burn;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Axis, AxisSlots, CausalLm, CouplingMap, Error, Role, Selection};
use std::collections::{BTreeMap, HashMap};

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
    factors: BTreeMap<String, f64>,
    takes: HashMap<String, Vec<Take>>,
}

struct Take {
    dim: usize,
    indices: Vec<i32>,
    factor: f64,
}

impl<'a> Reindex<'a> {
    pub fn new(map: &'a CouplingMap) -> Self {
        Self { map, factors: BTreeMap::new(), takes: HashMap::new() }
    }

    /// Multiplies whole parameters, see [`CausalLm::slice_factors`].
    #[must_use]
    pub fn with_factors(mut self, factors: BTreeMap<String, f64>) -> Self {
        self.factors = factors;
        self
    }

    /// Takes the structures `order` of `axis`, the gains of its norms multiplied by `gain`.
    pub fn take(&mut self, axis: Axis, order: &[usize], gain: f64) -> Result<(), Error> {
        let AxisSlots { normalization, slots, .. } = self.map.axis(axis)?;
        for slot in slots {
            let indices = order.iter().flat_map(|&i| i * slot.block..(i + 1) * slot.block);
            let factor = if normalization.is_some() && slot.role == Role::Scales { gain } else { 1.0 };
            let take = Take { dim: slot.dim, indices: indices.map(|i| i as i32).collect(), factor };
            self.takes.entry(slot.parameter.clone()).or_default().push(take);
        }
        Ok(())
    }
}

impl ParameterMapper for Reindex<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let takes = self.takes.get(name).map_or(&[][..], Vec::as_slice);
        let factor = takes.iter().map(|take| take.factor).product::<f64>();
        let value = takes.iter().fold(value, |value, take| take.apply(layout, value));
        multiplied(value, factor * self.factors.get(name).copied().unwrap_or(1.0))
    }
}

/// `value` times `factor`, rounded once.
fn multiplied<const D: usize>(value: Tensor<D>, factor: f64) -> Tensor<D> {
    if factor == 1.0 {
        return value;
    }
    let dtype = value.dtype();
    (value.cast(DType::F32) * factor).cast(dtype)
}

impl Take {
    fn apply<const D: usize>(&self, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let index = self.index(&value.device());
        value.select(layout.dim(self.dim), index)
    }

    fn index(&self, device: &Device) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(self.indices.clone(), [self.indices.len()]), device)
    }
}
