//! A penalty over all that is selected of one model.

use crate::removed_layers::RemovedLayers;
use crate::{ComponentWeights, Error, PenaltyKind, Recentring, SlotChoice};
use dress_core::burn::module::Param;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{AxisSelection, CausalLm, Component, Penalty, Selection, Slot, round_at_random};
use std::collections::{HashMap, HashSet};

/// The weighted penalties of one model, on the autodiff graph if the model is. `[1]` each
#[derive(Debug, Clone)]
pub struct PenaltyTerms {
    /// Of the attention's projections.
    pub attention: Tensor<1>,
    /// Of the feed-forward networks.
    pub ffn: Tensor<1>,
    /// Of everything else.
    pub rest: Tensor<1>,
}

/// How far a proximal step goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Thresholds {
    /// The same for every structure: `eta * lambda` of the textbook.
    Absolute(f64),
    /// A share of what would have taken the structure to zero at the start, so that `1 / share`
    /// steps do, whatever its scale, but no less than takes a structure of weights of size `least`
    /// to zero: an optimizer that moves every weight by less cannot hold one up.
    OfInitial {
        /// The share.
        share: f64,
        /// The size.
        least: f64,
    },
}

/// What is selected of a model's parameters, and the penalty on it.
pub struct Regularizer {
    penalty: Box<dyn Penalty>,
    weights: ComponentWeights,
    parts: HashMap<String, Vec<Part>>,
    /// Every parameter of the layers that go as a whole.
    gone: HashSet<String>,
    recentring: Option<Recentring>,
}

/// The selected end of one slot, or all of it where its layer goes.
struct Part {
    dim: usize,
    start: usize,
    len: usize,
    block: usize,
    /// What the parameter's numbers lack of what they multiply by, which is what a penalty takes to zero.
    offset: f64,
    component: Component,
    /// What takes each structure to zero at the start. `[structures, 1]`
    initial: Option<Tensor<2>>,
    /// What this part's penalty is multiplied by.
    unit: f64,
}

impl Regularizer {
    /// A penalty on the structures that `selection` removes of `model`. They have to be the last of
    /// their axes, so that each slot's part is a contiguous view.
    ///
    /// Of a layer that goes it is on what writes the residual stream, whatever `slots` says, each projection's matrix and
    /// each bias being one group. Of gains that are filed as one less than what they multiply by it is on what they multiply
    /// by, so that zero is -1 of what is filed.
    ///
    /// # Errors
    /// [`Error::NotPermuted`] where they are not, [`Error::LayerDoesMoreThanAdd`], and those of [`Selection::check`].
    pub fn new<M: CausalLm>(
        model: &M,
        selection: &Selection,
        penalty: PenaltyKind,
        weights: ComponentWeights,
        slots: SlotChoice,
    ) -> Result<Self, Error> {
        Self::with_penalty(model, selection, penalty.penalty(), weights, slots)
    }

    /// The same with a penalty of one's own.
    ///
    /// # Errors
    /// As [`Regularizer::new`].
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::{Axis, AxisSelection, Selection};
    /// use dress_regularize::{ComponentWeights, L1, Regularizer, SlotChoice};
    ///
    /// // The last eight of 24 neurons.
    /// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, (16..24).collect())?);
    /// let (weights, slots) = (ComponentWeights::default(), SlotChoice::All);
    /// let regularizer = Regularizer::with_penalty(&model, &selection, Box::new(L1), weights, slots)?;
    /// assert!(regularizer.selected_norm(&model) > 0.0);
    /// assert!(regularizer.penalty(&model).total().into_scalar::<f32>() > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_penalty<M: CausalLm>(
        model: &M,
        selection: &Selection,
        penalty: Box<dyn Penalty>,
        weights: ComponentWeights,
        slots: SlotChoice,
    ) -> Result<Self, Error> {
        let layers = RemovedLayers::of(model, selection)?;
        let mut parts: HashMap<String, Vec<Part>> = HashMap::new();
        for slot in &layers.writers {
            parts.entry(slot.parameter.clone()).or_default().push(Part::whole(slot, layers.width));
        }
        for (axis, chosen) in layers.structures.iter() {
            let of_axis = layers.map.axis(axis)?;
            for slot in of_axis.slots.iter().filter(|slot| slots.includes(axis, of_axis, slot.role)) {
                parts.entry(slot.parameter.clone()).or_default().push(Part::end(slot, chosen));
            }
        }
        let recentring = Recentring::new(model, selection)?;
        let mut regularizer = Self { penalty, weights, parts, gone: layers.parameters, recentring };
        parameters::visit(model, &mut Measure { regularizer: &mut regularizer });
        Ok(regularizer)
    }

    /// The same with every part's penalty divided by what it is for `model` and by the number of parts, so that
    /// the whole starts at 1 whatever the model's size, and one lambda does for all. What is zero already is left out.
    #[must_use]
    pub fn normalized<M: CausalLm>(mut self, model: &M) -> Self {
        let mut start = Values { regularizer: &self, values: HashMap::new() };
        parameters::visit(model, &mut start);
        let values = start.values;
        let parts = values.values().flatten().filter(|value| **value > 0.0).count().max(1) as f64;
        for (name, parts_of) in &mut self.parts {
            for (part, value) in parts_of.iter_mut().zip(values.get(name).into_iter().flatten()) {
                part.unit = if *value > 0.0 { 1.0 / (value * parts) } else { 0.0 };
            }
        }
        self
    }

    /// Checks that the penalty can be applied as a proximal step.
    ///
    /// # Errors
    /// [`Error::NoProximalStep`] where it has none that reaches zero.
    pub fn check_proximal(&self) -> Result<(), Error> {
        let closed_form = self.parts.values().flatten().all(|part| part.initial.is_some());
        if closed_form {
            return Ok(());
        }
        Err(Error::NoProximalStep { penalty: self.penalty.name().into() })
    }

    /// The weighted penalty of each part of `model`.
    pub fn penalty<M: CausalLm>(&self, model: &M) -> PenaltyTerms {
        let zero = || Tensor::<1>::zeros([1], (&model.device(), DType::F32));
        let terms = PenaltyTerms { attention: zero(), ffn: zero(), rest: zero() };
        let mut sum = Sum { regularizer: self, terms };
        parameters::visit(model, &mut sum);
        sum.terms
    }

    /// `gradients` with those of `factor` times the penalty of `model`, and what that is. Cheaper than
    /// [`Regularizer::penalty`] in a loss: what is not selected is not touched, and of weights without a gradient there is none
    /// after it either.
    pub fn penalize<M: CausalLm>(
        &self,
        model: &M,
        gradients: GradientsParams,
        factor: f64,
    ) -> (GradientsParams, f64) {
        let mut penalized = Penalized { regularizer: self, gradients, factor, terms: Vec::new() };
        parameters::visit(model, &mut penalized);
        (penalized.gradients, sum(penalized.terms))
    }

    /// The L2 norm of everything selected; what two axes share counts twice.
    pub fn selected_norm<M: CausalLm>(&self, model: &M) -> f64 {
        let mut squares = Squares { regularizer: self, sums: Vec::new() };
        parameters::visit(model, &mut squares);
        sum(squares.sums).sqrt()
    }

    /// `model` after a proximal step on everything selected. Unchanged where the penalty has none. Half-precision weights
    /// are rounded at random, see [`round_at_random`].
    pub fn shrink<M: CausalLm>(&self, model: M, thresholds: Thresholds) -> M {
        parameters::map(model, &mut Shrink { regularizer: self, thresholds })
    }

    /// `model` with a stream of mean zero where layer norms read it, see [`Recentring`].
    pub fn recentre<M: CausalLm>(&self, model: M) -> M {
        match &self.recentring {
            Some(recentring) => recentring.apply(model),
            None => model,
        }
    }

    /// `value`, of the shape of a parameter, with zeros where that is selected, and everywhere where its layer goes: what a
    /// gradient becomes of which only kept weights are to follow.
    pub fn zero_selected<const D: usize>(&self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if self.gone.contains(name) {
            return value.zeros_like();
        }
        self.parts(name).iter().fold(value, |value, part| {
            let zeros = part.rows(layout, &value).zeros_like();
            part.put(layout, value, zeros)
        })
    }

    fn parts(&self, name: &str) -> &[Part] {
        self.parts.get(name).map_or(&[], Vec::as_slice)
    }
}

impl PenaltyTerms {
    /// All parts together. `[1]`
    pub fn total(self) -> Tensor<1> {
        self.attention + self.ffn + self.rest
    }
}

impl Part {
    /// What a slot keeps of the structures that go, the last of its axis.
    fn end(slot: &Slot, chosen: &AxisSelection) -> Self {
        let (start, len) = (chosen.kept_len() * slot.block, chosen.removed().len() * slot.block);
        Self::of(slot, start, len, slot.block)
    }

    /// All of a slot that runs over `structures`, as one group.
    fn whole(slot: &Slot, structures: usize) -> Self {
        let len = structures * slot.block;
        Self::of(slot, 0, len, len)
    }

    fn of(slot: &Slot, start: usize, len: usize, block: usize) -> Self {
        let (dim, component) = (slot.dim, slot.component);
        Self { dim, start, len, block, offset: slot.offset(), component, initial: None, unit: 1.0 }
    }

    /// What the selected structures of a parameter multiply by, a row a structure, in f32.
    fn groups<const D: usize>(&self, layout: Layout, parameter: &Tensor<D>) -> Tensor<2> {
        let rows = self.rows(layout, parameter);
        if self.offset == 0.0 { rows } else { rows + self.offset }
    }

    /// The same as the parameter has it.
    fn filed(&self, groups: Tensor<2>) -> Tensor<2> {
        if self.offset == 0.0 { groups } else { groups - self.offset }
    }

    /// The selected structures of `value`, which has a parameter's shape, a row a structure, in f32.
    fn rows<const D: usize>(&self, layout: Layout, value: &Tensor<D>) -> Tensor<2> {
        let dim = layout.dim(self.dim);
        let view = value.clone().narrow(dim, self.start, self.len);
        parameters::groups(view.cast(DType::F32), dim, self.block)
    }

    /// `value` with other selected structures.
    fn put<const D: usize>(&self, layout: Layout, value: Tensor<D>, rows: Tensor<2>) -> Tensor<D> {
        let dim = layout.dim(self.dim);
        let mut dims = value.dims();
        let mut ranges = dims.map(|size| 0..size);
        dims[dim] = self.len;
        ranges[dim] = self.start..self.start + self.len;
        let part = parameters::ungroup(rows, dims, dim).cast(value.dtype());
        value.slice_assign(ranges, part)
    }
}

struct Measure<'a> {
    regularizer: &'a mut Regularizer,
}

impl ParameterVisitor for Measure<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let Regularizer { penalty, parts, .. } = &mut *self.regularizer;
        for part in parts.get_mut(name).into_iter().flatten() {
            let groups = part.groups(layout, &parameter.val().without_autodiff());
            part.initial = penalty.thresholds_to_zero(groups);
        }
    }
}

/// The penalty of every part, without any weight.
struct Values<'a> {
    regularizer: &'a Regularizer,
    values: HashMap<String, Vec<f64>>,
}

impl ParameterVisitor for Values<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        for part in self.regularizer.parts(name) {
            let groups = part.groups(layout, &parameter.val().without_autodiff());
            // A penalty with a tiny number under its root is not zero at zero.
            let is_zero = groups.clone().abs().max().into_scalar::<f32>() == 0.0;
            let value = f64::from(self.regularizer.penalty.value(groups).into_scalar::<f32>());
            let value = if is_zero { 0.0 } else { value };
            self.values.entry(name.into()).or_default().push(value);
        }
    }
}

struct Sum<'a> {
    regularizer: &'a Regularizer,
    terms: PenaltyTerms,
}

impl ParameterVisitor for Sum<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        for part in self.regularizer.parts(name) {
            let weight = self.regularizer.weights.of(part.component);
            let groups = part.groups(layout, &parameter.val());
            let term = self.regularizer.penalty.value(groups) * (weight * part.unit);
            let sum = match part.component {
                Component::Attention => &mut self.terms.attention,
                Component::Ffn => &mut self.terms.ffn,
                Component::Rest => &mut self.terms.rest,
            };
            *sum = sum.clone() + term;
        }
    }
}

/// The gradients of a penalty beside others, each part on a graph of its own.
struct Penalized<'a> {
    regularizer: &'a Regularizer,
    gradients: GradientsParams,
    factor: f64,
    terms: Vec<Tensor<1>>,
}

impl ParameterVisitor for Penalized<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let parts = self.regularizer.parts(name);
        let mut gradient = if parts.is_empty() { None } else { self.gradients.remove::<D>(parameter.id) };
        for part in parts {
            let weight = self.factor * self.regularizer.weights.of(part.component) * part.unit;
            let groups = part.groups(layout, &parameter.val().without_autodiff()).autodiff().require_grad();
            let term = self.regularizer.penalty.value(groups.clone()) * weight;
            let slopes = groups.grad(&term.backward());
            self.terms.push(term.without_autodiff());
            gradient = gradient.zip(slopes).map(|(gradient, slopes)| {
                let together = part.rows(layout, &gradient) + slopes;
                part.put(layout, gradient, together)
            });
        }
        if let Some(gradient) = gradient {
            self.gradients.register(parameter.id, gradient);
        }
    }
}

/// The sum of numbers that a device may still be working on.
fn sum(numbers: Vec<Tensor<1>>) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    Tensor::cat(numbers, 0).into_data().iter::<f64>().sum()
}

struct Squares<'a> {
    regularizer: &'a Regularizer,
    sums: Vec<Tensor<1>>,
}

impl ParameterVisitor for Squares<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        for part in self.regularizer.parts(name) {
            let groups = part.groups(layout, &parameter.val().without_autodiff());
            self.sums.push((groups.clone() * groups).sum());
        }
    }
}

struct Shrink<'a> {
    regularizer: &'a Regularizer,
    thresholds: Thresholds,
}

impl ParameterMapper for Shrink<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, mut value: Tensor<D>) -> Tensor<D> {
        for part in self.regularizer.parts(name) {
            let weight = self.regularizer.weights.of(part.component);
            let groups = part.groups(layout, &value);
            let thresholds = match (self.thresholds, &part.initial) {
                (Thresholds::OfInitial { share, least }, Some(initial)) => {
                    // What takes a structure of ones to zero is the same for all of them.
                    let ones = groups.clone().narrow(0, 0, 1).ones_like();
                    let unit = self.regularizer.penalty.thresholds_to_zero(ones);
                    let unit = unit.map_or_else(|| initial.zeros_like(), |unit| unit.expand(initial.dims()));
                    (initial.clone() * share).max_pair(unit * least) * weight
                }
                (Thresholds::Absolute(size), Some(initial)) => initial.ones_like() * (size * weight),
                (_, None) => continue,
            };
            if let Some(shrunk) = self.regularizer.penalty.shrink(groups, thresholds) {
                // A step below half of a half-precision weight's last bit would be lost, again and again.
                let shrunk = round_at_random(part.filed(shrunk), value.dtype());
                value = part.put(layout, value, shrunk);
            }
        }
        value
    }
}
