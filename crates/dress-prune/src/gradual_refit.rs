//! Projections that are refitted while what they lose goes.

use crate::local::Streams;
use crate::projection::bias_name;
use crate::{CompensatedProjection, Error, compensate, mask};
use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Axis, AxisSlots, Calibration, CausalLm, Progress, Role, Selection, Slot};
use dress_regularize::{ComponentWeights, SlotChoice};
use std::collections::HashMap;

/// What [`Compensation::Ridge`](crate::Compensation::Ridge) adds to the projections that read selected
/// neurons and heads, given in the measure in which those go: where a gate in front of them is at `g`, the
/// refit of the projection to what stays and `g` times what goes adds `1 - g` of it. So regularizing starts
/// from the dense model, and ends where slicing with a refit would, with what was learnt on the way.
#[derive(Debug)]
pub struct GradualRefit {
    added: HashMap<String, Added>,
}

/// What is added to one parameter in full.
#[derive(Debug)]
struct Added {
    /// As it lies in memory; zero where something goes.
    values: Tensor<1>,
    shrunk: Shrunk,
}

/// How a penalty shrinks the output of what goes.
#[derive(Debug, Clone, Copy)]
struct Shrunk {
    /// By how many parameters the output is multiplied that the penalty shrinks.
    factors: i32,
    /// The penalty's weight there.
    weight: f64,
}

/// How far what goes has left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaving {
    /// What a gate multiplies it by: 1 where there is none.
    pub gate: f64,
    /// The share that a penalty of weight 1 has taken off every group's norm: 0 where there is none.
    pub taken: f64,
}

impl Leaving {
    /// It is all there.
    pub const NOT_YET: Self = Self { gate: 1.0, taken: 0.0 };
    /// Nothing of it is left.
    pub const ENTIRELY: Self = Self { gate: 0.0, taken: 1.0 };
}

impl Shrunk {
    /// The share of the refit that makes up for what has left.
    fn share(self, Leaving { gate, taken }: Leaving) -> f64 {
        1.0 - gate * (1.0 - taken * self.weight).clamp(0.0, 1.0).powi(self.factors)
    }
}

impl GradualRefit {
    /// What refitting adds where `selection` goes of `model`, the last structures of every axis, and a
    /// penalty of these `weights` shrinks what `slots` says. With it, how well each projection is made up for
    /// in the end.
    ///
    /// # Errors
    /// Those of [`compensate()`](crate::compensate()).
    pub fn new<M: CausalLm>(
        model: &M,
        selection: &Selection,
        slots: SlotChoice,
        weights: ComponentWeights,
        calibration: &Calibration,
        progress: &dyn Progress,
    ) -> Result<(Self, Vec<CompensatedProjection>), Error> {
        calibration.require(model, "compensation")?;
        // What is refitted makes up for the layers that go too.
        let (layers, structures) = layers_and_structures(selection);
        let standing = mask(model.clone(), &layers)?;
        let (refitted, report) = compensate::refitted(standing, &structures, calibration, progress)?;
        Ok((Self::between(model, &refitted, &structures, slots, weights)?, report))
    }

    /// The same of a model of one layer, into which `streams` go.
    pub(crate) fn of_layer<M: CausalLm>(
        model: &M,
        selection: &Selection,
        slots: SlotChoice,
        weights: ComponentWeights,
        streams: &Streams,
    ) -> Result<(Self, Vec<CompensatedProjection>), Error> {
        let (refitted, report) = compensate::of_layer(model.clone(), 0, selection, streams)?;
        Ok((Self::between(model, &refitted, selection, slots, weights)?, report))
    }

    /// What `refitted` has more than `model` in what reads the last structures of `selection`.
    fn between<M: CausalLm>(
        model: &M,
        refitted: &M,
        structures: &Selection,
        slots: SlotChoice,
        weights: ComponentWeights,
    ) -> Result<Self, Error> {
        let map = model.coupling();
        let mut readers = HashMap::new();
        for (axis, chosen) in structures.iter().filter(|(axis, _)| *axis != Axis::Residual) {
            let of_axis = map.axis(axis)?;
            let shrunk = Shrunk { factors: factors(axis, of_axis, slots), weight: weight(axis, weights) };
            for slot in of_axis.slots.iter().filter(|slot| slot.role == Role::Reads && slot.site.is_some()) {
                let start = chosen.kept_len() * slot.block;
                readers.insert(slot.parameter.clone(), (shrunk, Some((slot.dim, start))));
                readers.insert(bias_name(&slot.parameter), (shrunk, None));
            }
        }
        let mut after = Values { of: &readers, values: HashMap::new() };
        parameters::visit(refitted, &mut after);
        let mut difference = Difference { readers: &readers, after: after.values, added: HashMap::new() };
        parameters::visit(model, &mut difference);
        Ok(Self { added: difference.added })
    }

    /// `model` with the share of the refit that belongs to what has left, on the autodiff graph of `model`.
    pub fn view<M: CausalLm>(&self, model: &M, leaving: Leaving) -> M {
        parameters::derive(model, &mut Adding { refit: self, leaving })
    }

    /// The same in the weights.
    pub fn settle<M: CausalLm>(&self, model: M, leaving: Leaving) -> M {
        parameters::map(model, &mut Adding { refit: self, leaving })
    }
}

/// The layers that go, and what goes of the others.
fn layers_and_structures(selection: &Selection) -> (Selection, Selection) {
    let (mut layers, mut structures) = (Selection::new(), Selection::new());
    for (axis, chosen) in selection.outside_removed_layers().iter() {
        let of = if axis == Axis::Depth { &mut layers } else { &mut structures };
        *of = std::mem::take(of).with(axis, chosen.clone());
    }
    (layers, structures)
}

/// By how many shrunk weights the output of one structure is multiplied.
fn factors(axis: Axis, of_axis: &AxisSlots, slots: SlotChoice) -> i32 {
    let weights = |role: Role| {
        let is_weight = |slot: &&Slot| slot.role == role && slot.parameter.ends_with(".weight");
        match slots.includes(axis, of_axis, role) {
            true => of_axis.slots.iter().filter(is_weight).count() as i32,
            false => 0,
        }
    };
    match axis {
        // Queries and keys say where to look and not how much is written.
        Axis::Heads { .. } => weights(Role::Writes).min(1) + weights(Role::Reads).min(1),
        _ => weights(Role::Writes) + weights(Role::Reads),
    }
}

fn weight(axis: Axis, weights: ComponentWeights) -> f64 {
    match axis {
        Axis::Heads { .. } => weights.attention,
        _ => weights.ffn,
    }
}

/// Of each parameter that is refitted: how it is shrunk, and of a weight its dimension and where there what
/// goes begins.
type Readers = HashMap<String, (Shrunk, Option<(usize, usize)>)>;

struct Values<'a> {
    of: &'a Readers,
    values: HashMap<String, Tensor<1>>,
}

impl ParameterVisitor for Values<'_> {
    fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
        if self.of.contains_key(name) {
            self.values.insert(name.into(), flat(parameter));
        }
    }
}

struct Difference<'a> {
    readers: &'a Readers,
    after: HashMap<String, Tensor<1>>,
    added: HashMap<String, Added>,
}

impl ParameterVisitor for Difference<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let (Some((shrunk, gone)), Some(after)) = (self.readers.get(name), self.after.remove(name)) else {
            return;
        };
        let dims = parameter.val().dims();
        let mut values: Tensor<D> = (after - flat(parameter)).reshape(dims);
        if let Some((dim, start)) = *gone {
            let dim = layout.dim(dim);
            let gone = values.clone().narrow(dim, start, dims[dim] - start).zeros_like();
            values = Tensor::cat(vec![values.narrow(dim, 0, start), gone], dim);
        }
        let size = dims.iter().product::<usize>();
        self.added.insert(name.into(), Added { values: values.reshape([size]), shrunk: *shrunk });
    }
}

fn flat<const D: usize>(parameter: &Param<Tensor<D>>) -> Tensor<1> {
    let value = parameter.val().without_autodiff().cast(DType::F32);
    let size = value.dims().iter().product::<usize>();
    value.reshape([size])
}

struct Adding<'a> {
    refit: &'a GradualRefit,
    leaving: Leaving,
}

impl ParameterMapper for Adding<'_> {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let Some(Added { values, shrunk }) = self.refit.added.get(name) else { return value };
        let added = values.clone().reshape(value.dims()) * shrunk.share(self.leaving);
        let added = match value.gradient_checkpointing_strategy() {
            Some(strategy) => added.autodiff().with_gradient_checkpointing_strategy(strategy),
            None => added,
        };
        let added = added.cast(value.dtype());
        value + added
    }
}
