//! One layer of a dense model, as a model of one layer.

use crate::Error;
use dress_core::burn::tensor::{DType, Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterSource};
use dress_core::{Axis, AxisSelection, CausalLm, Part, Parts, Selection};
use std::collections::BTreeMap;

/// Where the layers of a dense model are had from, one at a time.
pub(crate) trait DenseLayers<M: CausalLm> {
    /// How many there are.
    fn count(&self) -> usize;

    /// The model with the values of one part at least.
    ///
    /// # Errors
    /// Those of [`Parts::part`].
    fn with_part(&self, part: Part) -> Result<M, Error>;
}

/// The layers of a model that is in memory.
pub(crate) struct Resident<'a, M>(pub &'a M);

impl<M: CausalLm> DenseLayers<M> for Resident<'_, M> {
    fn count(&self) -> usize {
        self.0.num_layers()
    }

    fn with_part(&self, _part: Part) -> Result<M, Error> {
        Ok(self.0.clone())
    }
}

/// The layers of a model of which one part at a time is in memory.
pub(crate) struct ByParts<'a, P>(pub &'a P);

impl<P: Parts> DenseLayers<P::Model> for ByParts<'_, P> {
    fn count(&self) -> usize {
        self.0.declared().num_layers()
    }

    fn with_part(&self, part: Part) -> Result<P::Model, Error> {
        Ok(self.0.part(part)?)
    }
}

/// One layer of a dense model, as a model of one layer between ends of next to no size.
pub(crate) struct Alone<M> {
    pub number: usize,
    pub dense: M,
    /// What goes of it.
    pub selection: Selection,
}

impl<M: CausalLm> Alone<M> {
    /// The layer `number` of `model`, of which only that layer need have its values, and what of `selection`
    /// goes of it.
    pub fn of(model: M, selection: &Selection, number: usize) -> Result<Self, Error> {
        let others: Vec<usize> = (0..model.num_layers()).filter(|&other| other != number).collect();
        let alone = match others.is_empty() {
            true => model,
            false => {
                let others = AxisSelection::new(model.num_layers(), others)?;
                model.resized(&Selection::new().with(Axis::Depth, others))?
            }
        };
        Ok(Self { number, dense: with_small_ends(alone)?, selection: of_layer(selection, number) })
    }
}

/// What of `selection` goes of one layer, as of the first.
fn of_layer(selection: &Selection, number: usize) -> Selection {
    let mut of_layer = Selection::new();
    for (axis, chosen) in selection.iter() {
        let of_first = match axis {
            Axis::Heads { layer } if layer == number => Axis::Heads { layer: 0 },
            Axis::Ffn { layer } if layer == number => Axis::Ffn { layer: 0 },
            Axis::Residual => Axis::Residual,
            _ => continue,
        };
        of_layer = of_layer.with(of_first, chosen.clone());
    }
    of_layer
}

/// Whether something of `selection` goes of a layer.
pub(crate) fn goes(selection: &Selection, number: usize) -> bool {
    !of_layer(selection, number).is_empty()
}

/// `model` with every parameter outside of its layers for one token and one position: neither their numbers
/// nor any gradient of theirs take memory while the layer is trained. What they compute means nothing.
fn with_small_ends<M: CausalLm>(model: M) -> Result<M, Error> {
    let map = model.coupling();
    let slots = &map.axis(Axis::Residual)?.slots;
    let channels = slots.iter().map(|slot| (slot.parameter.clone(), slot.dim)).collect();
    let dtype = parameters::list(&model)
        .into_iter()
        .find(|parameter| parameters::layer_of(&parameter.name).is_some())
        .map_or(DType::F32, |parameter| parameter.dtype);
    let mut ends = SmallEnds { channels, device: model.device(), dtype };
    let outside = |name: &str| parameters::layer_of(name).is_none();
    let filled: Result<M, std::convert::Infallible> = parameters::fill_where(model, &outside, &mut ends);
    filled.map_err(|never| match never {})
}

/// Zeros that are as long as the width along the channels, and 1 along everything else.
struct SmallEnds {
    /// By parameter, the dimension of its channels in the file.
    channels: BTreeMap<String, usize>,
    device: Device,
    dtype: DType,
}

impl ParameterSource<std::convert::Infallible> for SmallEnds {
    fn value<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        shape: [usize; D],
    ) -> Result<Tensor<D>, std::convert::Infallible> {
        let channels = self.channels.get(name).map(|&dim| layout.dim(dim));
        let small: [usize; D] = std::array::from_fn(|dim| if Some(dim) == channels { shape[dim] } else { 1 });
        Ok(Tensor::<D>::zeros(small, (&self.device, self.dtype)))
    }
}
