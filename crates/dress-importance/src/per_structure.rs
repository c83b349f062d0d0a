//! Sums over what each structure owns of every slot.

use dress_core::burn::module::Param;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{Axis, CausalLm, CouplingMap, Error, Part, Parts, Scores, Slot};
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

/// What the numbers of a slot's parameter multiply by, of `filed` ones: gains may be filed as one less.
pub(crate) fn unfiled<const D: usize>(slot: &Slot, filed: Tensor<D>) -> Tensor<D> {
    if slot.plus_one { filed + slot.offset() } else { filed }
}

/// Numbers of a parameter that are in f32 at a time.
const CHUNK: usize = 1 << 24;

/// What `numbers` makes of a parameter, summed over what each structure owns. A large matrix goes through in
/// stretches, so that memory holds it in f32 only in part. `[structures, 1]`
pub(crate) fn sum_in_chunks<const D: usize>(
    parameter: &Param<Tensor<D>>,
    dim: usize,
    block: usize,
    numbers: impl Fn(Tensor<D>) -> Tensor<D>,
) -> Tensor<2> {
    let value = parameter.val().without_autodiff();
    let dims = value.dims();
    if D != 2 || value.shape().num_elements() <= CHUNK {
        return sum_per_structure(numbers(value.cast(DType::F32)), dim, block);
    }
    let (other, step) = (1 - dim, (CHUNK / dims[dim]).max(1));
    let stretches = (0..dims[other]).step_by(step).map(|start| {
        let stretch = value.clone().narrow(other, start, step.min(dims[other] - start));
        sum_per_structure(numbers(stretch.cast(DType::F32)), dim, block)
    });
    stretches.reduce(|sum, stretch| sum + stretch).expect("a matrix that large has rows")
}

/// What each structure owns of a slot of `value`, summed. `[structures, 1]`
pub(crate) fn sum_per_structure<const D: usize>(value: Tensor<D>, dim: usize, block: usize) -> Tensor<2> {
    parameters::groups(value, dim, block).sum_dim(1)
}

/// How what the slots of a structure say becomes one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aggregate {
    /// Added up.
    #[default]
    Sum,
    /// The greatest.
    Max,
    /// Multiplied, as the sum of logarithms so that nothing overflows: the order is the product's.
    Prod,
    /// What the slots that leave the axis say, which read it; where none does, all of them.
    Last,
}

/// For every structure of every axis, what `score` says of its slots, aggregated.
///
/// # Errors
/// [`Error::AxisNotInModel`].
pub(crate) fn over_slots<M: CausalLm>(
    model: &M,
    axes: &[Axis],
    aggregate: Aggregate,
    score: &mut impl SlotScore,
    finish: impl Fn(f64) -> f64,
) -> Result<Scores, Error> {
    let mut visitor = OverSlots::new(&model.coupling(), axes, aggregate, score)?;
    parameters::visit(model, &mut visitor);
    visitor.finish(finish)
}

/// As [`over_slots`] of whichever parts a caller brings into memory, one after the other. A parameter that
/// several parts share counts once.
///
/// # Errors
/// [`Error::AxisNotInModel`] and those of [`Parts::part`].
pub(crate) fn over_parts<P: Parts>(
    parts: &P,
    axes: &[Axis],
    score: &mut impl SlotScore,
    finish: impl Fn(f64) -> f64,
) -> Result<Scores, Error> {
    let declared = parts.declared();
    let mut visitor = OverSlots::new(&declared.coupling(), axes, Aggregate::Sum, score)?;
    for part in Part::all(declared.num_layers()) {
        parameters::visit(&parts.part(part)?, &mut visitor);
    }
    visitor.finish(finish)
}

/// What one parameter says of the structures of one axis.
struct Said {
    reads: bool,
    scores: Vec<f64>,
}

struct OverSlots<'a, S> {
    slots: HashMap<String, Vec<(Axis, Slot)>>,
    said: BTreeMap<Axis, Vec<Said>>,
    lengths: BTreeMap<Axis, usize>,
    aggregate: Aggregate,
    score: &'a mut S,
}

impl<'a, S: SlotScore> OverSlots<'a, S> {
    fn new(map: &CouplingMap, axes: &[Axis], aggregate: Aggregate, score: &'a mut S) -> Result<Self, Error> {
        let mut slots: HashMap<String, Vec<(Axis, Slot)>> = HashMap::new();
        let mut lengths = BTreeMap::new();
        for &axis in axes {
            let of_axis = map.axis(axis)?;
            lengths.insert(axis, of_axis.len);
            for slot in &of_axis.slots {
                slots.entry(slot.parameter.clone()).or_default().push((axis, slot.clone()));
            }
        }
        Ok(Self { slots, said: BTreeMap::new(), lengths, aggregate, score })
    }

    fn finish(self, finish: impl Fn(f64) -> f64) -> Result<Scores, Error> {
        let mut scores = Scores::new();
        for (axis, len) in self.lengths {
            let said = self.said.get(&axis).map_or(&[][..], Vec::as_slice);
            let of_axis = (0..len).map(|index| finish(aggregated(self.aggregate, said, index)));
            scores.insert(axis, of_axis.collect())?;
        }
        Ok(scores)
    }
}

fn aggregated(aggregate: Aggregate, said: &[Said], index: usize) -> f64 {
    let all = said.iter().map(|said| said.scores[index]);
    match aggregate {
        Aggregate::Sum => all.sum(),
        Aggregate::Max => all.fold(0.0, f64::max),
        Aggregate::Prod => all.map(|score| score.max(f64::MIN_POSITIVE).ln()).sum(),
        Aggregate::Last if said.iter().any(|said| said.reads) => {
            said.iter().filter(|said| said.reads).map(|said| said.scores[index]).sum()
        }
        Aggregate::Last => all.sum(),
    }
}

impl<S: SlotScore> ParameterVisitor for OverSlots<'_, S> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        if !parameter.is_initialized() {
            return;
        }
        for (axis, slot) in self.slots.remove(name).unwrap_or_default() {
            let Some(scores) = self.score.of_slot(&slot, layout.dim(slot.dim), parameter) else { continue };
            let scores = scores.into_data().iter::<f64>().collect();
            let reads = slot.role == dress_core::Role::Reads;
            self.said.entry(axis).or_default().push(Said { reads, scores });
        }
    }
}
