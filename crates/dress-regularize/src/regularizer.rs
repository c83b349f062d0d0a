//! A penalty over all that is selected of one model.

mod penalty_values;
mod proximal_step;
mod try_visit;

use crate::removed_layers::RemovedLayers;
use crate::selected_part::SelectedPart;
use crate::{ComponentWeights, Error, PenaltyKind, Recentring, SlotChoice};
use dress_core::burn::module::Param;
use dress_core::burn::optim::GradientsParams;
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::parameters::{self, Layout, ParameterVisitor};
use dress_core::{CausalLm, Error as CoreError, Penalty, Selection};
use penalty_values::{Penalized, Sum, Values};
use proximal_step::{Measure, Shrink};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use try_visit::try_visit;

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
    penalty: Arc<dyn Penalty>,
    weights: ComponentWeights,
    parts: HashMap<String, Vec<SelectedPart>>,
    /// Every parameter of the layers that go as a whole.
    gone: HashSet<String>,
    recentring: Option<Recentring>,
}

impl Regularizer {
    /// A penalty on the structures that `selection` removes of `model`. They have to be the last of
    /// their axes, so that each slot's part is a contiguous view.
    ///
    /// Of a layer that goes it is on what writes the residual stream, whatever `slots` says, each
    /// projection's matrix and each bias being one group. Of gains that are filed as one less than what they
    /// multiply by it is on what they multiply by, so that zero is -1 of what is filed.
    ///
    /// # Errors
    /// [`Error::NotPermuted`] where they are not, [`Error::LayerDoesMoreThanAdd`], those of
    /// [`Selection::check`], and what the penalty fails with.
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
    /// use std::sync::Arc;
    ///
    /// // The last eight of 24 neurons.
    /// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, (16..24).collect())?);
    /// let (weights, slots) = (ComponentWeights::default(), SlotChoice::All);
    /// let regularizer = Regularizer::with_penalty(&model, &selection, Arc::new(L1), weights, slots)?;
    /// assert!(regularizer.selected_norm(&model) > 0.0);
    /// assert!(regularizer.penalty(&model)?.total().into_scalar::<f32>() > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_penalty<M: CausalLm>(
        model: &M,
        selection: &Selection,
        penalty: Arc<dyn Penalty>,
        weights: ComponentWeights,
        slots: SlotChoice,
    ) -> Result<Self, Error> {
        let layers = RemovedLayers::of(model, selection)?;
        let mut parts: HashMap<String, Vec<SelectedPart>> = HashMap::new();
        for slot in &layers.writers {
            parts.entry(slot.parameter.clone()).or_default().push(SelectedPart::whole(slot, layers.width));
        }
        for (axis, chosen) in layers.structures.iter() {
            let of_axis = layers.map.axis(axis)?;
            for slot in of_axis.slots.iter().filter(|slot| slots.includes(axis, of_axis, slot.role)) {
                parts.entry(slot.parameter.clone()).or_default().push(SelectedPart::end(slot, chosen));
            }
        }
        let recentring = Recentring::new(model, selection)?;
        let mut regularizer = Self { penalty, weights, parts, gone: layers.parameters, recentring };
        try_visit(model, &mut Measure { regularizer: &mut regularizer })?;
        Ok(regularizer)
    }

    /// The same with every part's penalty divided by what it is for `model` and by the number of parts, so
    /// that the whole starts at 1 whatever the model's size, and one lambda does for all. What is zero
    /// already is left out.
    ///
    /// # Errors
    /// What the penalty fails with.
    pub fn normalized<M: CausalLm>(mut self, model: &M) -> Result<Self, CoreError> {
        let mut start = Values { regularizer: &self, values: HashMap::new() };
        try_visit(model, &mut start)?;
        let values = start.values;
        let parts = values.values().flatten().filter(|value| **value > 0.0).count().max(1) as f64;
        for (name, parts_of) in &mut self.parts {
            for (part, value) in parts_of.iter_mut().zip(values.get(name).into_iter().flatten()) {
                part.unit = if *value > 0.0 { 1.0 / (value * parts) } else { 0.0 };
            }
        }
        Ok(self)
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
    ///
    /// # Errors
    /// What the penalty fails with.
    pub fn penalty<M: CausalLm>(&self, model: &M) -> Result<PenaltyTerms, CoreError> {
        let zero = || Tensor::<1>::zeros([1], (&model.device(), DType::F32));
        let terms = PenaltyTerms { attention: zero(), ffn: zero(), rest: zero() };
        let mut sum = Sum { regularizer: self, terms };
        try_visit(model, &mut sum)?;
        Ok(sum.terms)
    }

    /// `gradients` with those of `factor` times the penalty of `model`, and what that is. Cheaper than
    /// [`Regularizer::penalty`] in a loss: what is not selected is not touched, and of weights without a
    /// gradient there is none after it either.
    ///
    /// # Errors
    /// What the penalty fails with.
    pub fn penalize<M: CausalLm>(
        &self,
        model: &M,
        gradients: GradientsParams,
        factor: f64,
    ) -> Result<(GradientsParams, f64), CoreError> {
        let mut penalized = Penalized { regularizer: self, gradients, factor, terms: Vec::new() };
        try_visit(model, &mut penalized)?;
        Ok((penalized.gradients, sum(penalized.terms)))
    }

    /// The L2 norm of everything selected; what two axes share counts twice.
    pub fn selected_norm<M: CausalLm>(&self, model: &M) -> f64 {
        let mut squares = Squares { regularizer: self, sums: Vec::new() };
        parameters::visit(model, &mut squares);
        sum(squares.sums).sqrt()
    }

    /// `model` after a proximal step on everything selected. Unchanged where the penalty has none.
    /// Half-precision weights are rounded at random, see [`dress_core::round_at_random`].
    ///
    /// # Errors
    /// What the penalty fails with.
    pub fn shrink<M: CausalLm>(&self, model: M, thresholds: Thresholds) -> Result<M, CoreError> {
        let mut shrink = Shrink { regularizer: self, thresholds, outcome: Ok(()) };
        let model = parameters::map(model, &mut shrink);
        shrink.outcome.map(|()| model)
    }

    /// `model` with a stream of mean zero where layer norms read it, see [`Recentring`].
    pub fn recentre<M: CausalLm>(&self, model: M) -> M {
        match &self.recentring {
            Some(recentring) => recentring.apply(model),
            None => model,
        }
    }

    /// `value`, of the shape of a parameter, with zeros where that is selected, and everywhere where its
    /// layer goes: what a gradient becomes of which only kept weights are to follow.
    pub fn zero_selected<const D: usize>(&self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if self.gone.contains(name) {
            return value.zeros_like();
        }
        self.parts(name).iter().fold(value, |value, part| {
            let zeros = part.rows(layout, &value).zeros_like();
            part.put(layout, value, zeros)
        })
    }

    fn parts(&self, name: &str) -> &[SelectedPart] {
        self.parts.get(name).map_or(&[], Vec::as_slice)
    }
}

impl PenaltyTerms {
    /// All parts together. `[1]`
    pub fn total(self) -> Tensor<1> {
        self.attention + self.ffn + self.rest
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
