//! What is selected of one parameter by one slot.

use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout};
use dress_core::{AxisSelection, Component, Slot};

/// The selected end of one slot, or all of it where its layer goes.
pub(crate) struct SelectedPart {
    dim: usize,
    start: usize,
    len: usize,
    block: usize,
    /// What the parameter's numbers lack of what they multiply by, which is what a penalty takes to zero.
    offset: f64,
    /// What the parameter belongs to.
    pub component: Component,
    /// What takes each structure to zero at the start. `[structures, 1]`
    pub initial: Option<Tensor<2>>,
    /// What this part's penalty is multiplied by.
    pub unit: f64,
}

impl SelectedPart {
    /// What a slot keeps of the structures that go, the last of its axis.
    pub fn end(slot: &Slot, chosen: &AxisSelection) -> Self {
        let (start, len) = (chosen.kept_len() * slot.block, chosen.removed().len() * slot.block);
        Self::of(slot, start, len, slot.block)
    }

    /// All of a slot that runs over `structures`, as one group.
    pub fn whole(slot: &Slot, structures: usize) -> Self {
        let len = structures * slot.block;
        Self::of(slot, 0, len, len)
    }

    fn of(slot: &Slot, start: usize, len: usize, block: usize) -> Self {
        let (dim, component) = (slot.dim, slot.component);
        Self { dim, start, len, block, offset: slot.offset(), component, initial: None, unit: 1.0 }
    }

    /// What the selected structures of a parameter multiply by, a row a structure, in f32.
    pub fn groups<const D: usize>(&self, layout: Layout, parameter: &Tensor<D>) -> Tensor<2> {
        let rows = self.rows(layout, parameter);
        if self.offset == 0.0 { rows } else { rows + self.offset }
    }

    /// The same as the parameter has it.
    pub fn filed(&self, groups: Tensor<2>) -> Tensor<2> {
        if self.offset == 0.0 { groups } else { groups - self.offset }
    }

    /// The selected structures of `value`, which has a parameter's shape, a row a structure, in f32.
    pub fn rows<const D: usize>(&self, layout: Layout, value: &Tensor<D>) -> Tensor<2> {
        let dim = layout.dim(self.dim);
        let view = value.clone().narrow(dim, self.start, self.len);
        parameters::groups(view.cast(DType::F32), dim, self.block)
    }

    /// `value` with other selected structures.
    pub fn put<const D: usize>(&self, layout: Layout, value: Tensor<D>, rows: Tensor<2>) -> Tensor<D> {
        let dim = layout.dim(self.dim);
        let mut dims = value.dims();
        let mut ranges = dims.map(|size| 0..size);
        dims[dim] = self.len;
        ranges[dim] = self.start..self.start + self.len;
        let part = parameters::ungroup(rows, dims, dim).cast(value.dtype());
        value.slice_assign(ranges, part)
    }
}
