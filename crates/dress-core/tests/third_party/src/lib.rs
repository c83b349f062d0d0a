//! What somebody else's crate looks like: its own model and its own scorers, with `dress-core` as the only
//! dependency. With the feature `files` it also depends on `dress-models` and serde, and its checkpoints are
//! read, rewritten and saved. The tests of `dress-prune` score, regularize and slice it, in memory and from
//! file to file.

#[cfg(feature = "files")]
mod family;

#[cfg(feature = "files")]
pub use family::NoLayers;

mod elastic_net;
pub use elastic_net::ElasticNet;

mod greatest_activation;
pub use greatest_activation::GreatestActivation;

use dress_core::burn;
use dress_core::burn::module::{Module, Param};
use dress_core::burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use dress_core::burn::tensor::{Device, Int, Tensor, activation::relu};
use dress_core::parameters::{self, Layout, NamedParameters, ParameterPlace, ParameterVisitor};
use dress_core::{
    Axis, AxisSlots, Calibration, CausalLm, Component, CouplingMap, Error, Forward, MultipleOf,
    Normalization, Progress, Role, Scorer, Scores, Selection, Site, Slot,
};

/// The shape of a [`ShiftLm`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "files", derive(serde::Serialize, serde::Deserialize))]
pub struct ShiftConfig {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Neurons of each layer.
    pub inner: Vec<usize>,
    /// Added to the mean square in every norm.
    pub epsilon: f64,
    /// Whether the gains of its norms are filed as one less than they are.
    #[cfg_attr(feature = "files", serde(default))]
    pub plus_one: bool,
}

impl ShiftConfig {
    /// Two layers of so many neurons.
    pub fn of_two_layers(vocab_size: usize, width: usize, inner: usize) -> Self {
        Self { vocab_size, width, inner: vec![inner; 2], epsilon: 1e-5, plus_one: false }
    }
}

/// Layers that look at the current and the previous token each.
#[derive(Module, Debug)]
pub struct ShiftLm {
    embed: Embedding,
    layers: Vec<ShiftLayer>,
    norm: ScaleNorm,
    head: Linear,
    #[module(skip)]
    config: ShiftConfig,
}

#[derive(Module, Debug)]
struct ShiftLayer {
    norm: ScaleNorm,
    inner: Linear,
    outer: Linear,
}

#[derive(Module, Debug)]
struct ScaleNorm {
    gain: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
    /// What the gains lack of what they multiply by.
    #[module(skip)]
    offset: f64,
}

impl ScaleNorm {
    fn new(config: &ShiftConfig, device: &Device) -> Self {
        let offset = if config.plus_one { 1.0 } else { 0.0 };
        let gain = Initializer::Uniform { min: 0.5 - offset, max: 1.5 - offset }.init([config.width], device);
        Self { gain, epsilon: config.epsilon, offset }
    }

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let mean_square = (input.clone() * input.clone()).mean_dim(2);
        let gain = self.gain.val() + self.offset;
        input / (mean_square + self.epsilon).sqrt() * gain.unsqueeze()
    }
}

impl ShiftLm {
    /// Two layers of random weights.
    pub fn new(vocab_size: usize, width: usize, inner: usize, device: &Device) -> Self {
        Self::of_config(ShiftConfig::of_two_layers(vocab_size, width, inner), device)
    }

    /// Random weights, drawn when they are first used.
    pub fn of_config(config: ShiftConfig, device: &Device) -> Self {
        let layer = |&inner: &usize| ShiftLayer {
            norm: ScaleNorm::new(&config, device),
            inner: LinearConfig::new(config.width, inner).init(device),
            outer: LinearConfig::new(inner, config.width).init(device),
        };
        Self {
            embed: EmbeddingConfig::new(config.vocab_size, config.width).init(device),
            layers: config.inner.iter().map(layer).collect(),
            norm: ScaleNorm::new(&config, device),
            head: LinearConfig::new(config.width, config.vocab_size).with_bias(false).init(device),
            config,
        }
    }

    /// Its shape, as it is after slicing.
    pub fn config(&self) -> &ShiftConfig {
        &self.config
    }
}

fn ffn_slots(layer: usize, inner: usize) -> AxisSlots {
    let name = |rest: &str| format!("layers.{layer}.{rest}");
    let slots = vec![
        Slot::new(name("inner.weight"), 0, Role::Writes, Component::Ffn),
        Slot::new(name("inner.bias"), 0, Role::Writes, Component::Ffn),
        Slot::new(name("outer.weight"), 1, Role::Reads, Component::Ffn).site(Site::Ffn { layer }),
    ];
    AxisSlots { len: inner, multiple_of: MultipleOf::ONE, normalization: None, slots }
}

impl NamedParameters for ShiftLm {
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
        Layout::of_burn(place)
    }
}

impl CausalLm for ShiftLm {
    fn architecture(&self) -> &str {
        "ShiftLM"
    }

    fn num_layers(&self) -> usize {
        self.layers.len()
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn max_positions(&self) -> usize {
        1024
    }

    fn coupling(&self) -> CouplingMap {
        let gain = |name: String, site| {
            let slot = Slot::new(name, 0, Role::Scales, Component::Rest).site(site);
            slot.plus_one(self.config.plus_one)
        };
        let mut slots = vec![
            Slot::new("embed.weight", 1, Role::Writes, Component::Rest),
            gain("norm.gain".into(), Site::HeadInput),
            Slot::new("head.weight", 1, Role::Reads, Component::Rest).site(Site::HeadInput),
        ];
        for layer in 0..self.layers.len() {
            let name = |rest: &str| format!("layers.{layer}.{rest}");
            let input = Site::FfnInput { layer };
            slots.push(gain(name("norm.gain"), input));
            slots.push(Slot::new(name("inner.weight"), 1, Role::Reads, Component::Ffn).site(input));
            slots.push(Slot::new(name("outer.weight"), 0, Role::Writes, Component::Ffn));
            slots.push(Slot::new(name("outer.bias"), 0, Role::Writes, Component::Ffn));
        }
        let residual = AxisSlots {
            len: self.config.width,
            multiple_of: MultipleOf::ONE,
            normalization: Some(Normalization::RootMeanSquare),
            slots,
        };
        // What goes with a layer is not a part of a parameter, so that there is no slot of it.
        let layers = AxisSlots {
            len: self.layers.len(),
            multiple_of: MultipleOf::ONE,
            normalization: None,
            slots: Vec::new(),
        };
        let map = CouplingMap::new().with(Axis::Residual, residual).with(Axis::Depth, layers);
        self.config
            .inner
            .iter()
            .enumerate()
            .fold(map, |map, (layer, &inner)| map.with(Axis::Ffn { layer }, ffn_slots(layer, inner)))
    }

    fn embed(&self, tokens: Tensor<2, Int>, _pass: &mut Forward<'_>) -> Tensor<3> {
        self.embed.forward(tokens)
    }

    fn layer(&self, layer: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let ShiftLayer { norm, inner, outer } = &self.layers[layer];
        let input = pass.pass(Site::FfnInput { layer }, norm.forward(hidden.clone()));
        let [batch, seq, width] = input.dims();
        let first = Tensor::zeros([batch, 1, width], &input.device());
        let shifted = Tensor::cat(vec![first, input.clone().narrow(1, 0, seq - 1)], 1);
        let neurons = pass.pass(Site::Ffn { layer }, relu(inner.forward(input + shifted)));
        hidden + outer.forward(neurons)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.head.forward(pass.pass(Site::HeadInput, self.norm.forward(hidden)))
    }

    fn resized(mut self, selection: &Selection) -> Result<Self, Error> {
        if let Some(residual) = selection.get(Axis::Residual) {
            self.config.width = residual.kept_len();
            self.config.epsilon *= residual.len() as f64 / residual.kept_len() as f64;
            self.norm.epsilon = self.config.epsilon;
            self.layers.iter_mut().for_each(|layer| layer.norm.epsilon = self.config.epsilon);
        }
        for (layer, inner) in self.config.inner.iter_mut().enumerate() {
            *inner = selection.get(Axis::Ffn { layer }).map_or(*inner, |ffn| ffn.kept_len());
        }
        for &layer in selection.removed_layers().iter().rev() {
            self.layers.remove(layer);
            self.config.inner.remove(layer);
        }
        Ok(self)
    }
}

/// Scores a structure by the largest weight it owns anywhere.
pub struct LargestWeight;

impl<M: CausalLm> Scorer<M> for LargestWeight {
    fn name(&self) -> &str {
        "largest-weight"
    }

    fn needs_calibration(&self) -> bool {
        false
    }

    fn score(
        &self,
        model: &M,
        _calibration: &Calibration,
        axes: &[Axis],
        _progress: &dyn Progress,
    ) -> Result<Scores, Error> {
        let map = model.coupling();
        let mut scores = Scores::new();
        for &axis in axes {
            let AxisSlots { len, slots, .. } = map.axis(axis)?;
            let mut largest = Largest { slots, scores: vec![0.0; *len] };
            parameters::visit(model, &mut largest);
            scores.insert(axis, largest.scores)?;
        }
        Ok(scores)
    }
}

struct Largest<'a> {
    slots: &'a [Slot],
    scores: Vec<f64>,
}

impl ParameterVisitor for Largest<'_> {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        for slot in self.slots.iter().filter(|slot| slot.parameter == name) {
            let groups = parameters::groups(parameter.val().abs(), layout.dim(slot.dim), slot.block);
            let found = groups.max_dim(1).into_data();
            self.scores.iter_mut().zip(found.iter::<f64>()).for_each(|(s, f)| *s = s.max(f));
        }
    }
}
