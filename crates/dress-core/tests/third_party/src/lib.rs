//! What somebody else's crate looks like: its own two-block model and its own scorer, with
//! `dress-core` as the only dependency. The tests of `dress-prune` score, regularize and slice it.

use dress_core::burn;
use dress_core::burn::module::{Module, Param};
use dress_core::burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use dress_core::burn::tensor::{Device, Int, Tensor, activation::relu};
use dress_core::parameters::{self, Layout, NamedParameters, ParameterVisitor};
use dress_core::{
    Axis, AxisSlots, Calibration, CausalLm, Component, CouplingMap, Error, Forward, MultipleOf,
    Normalization, Progress, Role, Scorer, Scores, Selection, Site, Slot,
};

/// Two blocks, each of which looks at the current and the previous token.
#[derive(Module, Debug)]
pub struct ShiftLm {
    embed: Embedding,
    blocks: Vec<ShiftBlock>,
    norm: ScaleNorm,
    head: Linear,
}

#[derive(Module, Debug)]
struct ShiftBlock {
    norm: ScaleNorm,
    inner: Linear,
    outer: Linear,
}

#[derive(Module, Debug)]
struct ScaleNorm {
    gain: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl ScaleNorm {
    fn new(width: usize, device: &Device) -> Self {
        let gain = Tensor::<1>::random([width], burn::tensor::Distribution::Uniform(0.5, 1.5), device);
        Self { gain: Param::from_tensor(gain), epsilon: 1e-5 }
    }

    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let mean_square = (input.clone() * input.clone()).mean_dim(2);
        input / (mean_square + self.epsilon).sqrt() * self.gain.val().unsqueeze()
    }
}

impl ShiftLm {
    /// Random weights.
    pub fn new(vocab_size: usize, width: usize, inner: usize, device: &Device) -> Self {
        let block = || ShiftBlock {
            norm: ScaleNorm::new(width, device),
            inner: LinearConfig::new(width, inner).init(device),
            outer: LinearConfig::new(inner, width).init(device),
        };
        Self {
            embed: EmbeddingConfig::new(vocab_size, width).init(device),
            blocks: vec![block(), block()],
            norm: ScaleNorm::new(width, device),
            head: LinearConfig::new(width, vocab_size).with_bias(false).init(device),
        }
    }
}

fn ffn_slots(layer: usize, inner: usize) -> AxisSlots {
    let name = |rest: &str| format!("blocks.{layer}.{rest}");
    let slots = vec![
        Slot::new(name("inner.weight"), 0, Role::Writes, Component::Ffn),
        Slot::new(name("inner.bias"), 0, Role::Writes, Component::Ffn),
        Slot::new(name("outer.weight"), 1, Role::Reads, Component::Ffn).site(Site::Ffn { layer }),
    ];
    AxisSlots { len: inner, multiple_of: MultipleOf::ONE, normalization: None, slots }
}

impl NamedParameters for ShiftLm {}

impl CausalLm for ShiftLm {
    fn architecture(&self) -> &str {
        "ShiftLM"
    }

    fn num_layers(&self) -> usize {
        self.blocks.len()
    }

    fn vocab_size(&self) -> usize {
        self.head.weight.dims()[1]
    }

    fn max_positions(&self) -> usize {
        1024
    }

    fn coupling(&self) -> CouplingMap {
        let mut slots = vec![
            Slot::new("embed.weight", 1, Role::Writes, Component::Rest),
            Slot::new("norm.gain", 0, Role::Scales, Component::Rest),
            Slot::new("head.weight", 1, Role::Reads, Component::Rest).site(Site::HeadInput),
        ];
        for layer in 0..self.blocks.len() {
            let name = |rest: &str| format!("blocks.{layer}.{rest}");
            slots.push(Slot::new(name("norm.gain"), 0, Role::Scales, Component::Rest));
            slots.push(
                Slot::new(name("inner.weight"), 1, Role::Reads, Component::Ffn)
                    .site(Site::FfnInput { layer }),
            );
            slots.push(Slot::new(name("outer.weight"), 0, Role::Writes, Component::Ffn));
            slots.push(Slot::new(name("outer.bias"), 0, Role::Writes, Component::Ffn));
        }
        let width = self.norm.gain.dims()[0];
        let residual = AxisSlots {
            len: width,
            multiple_of: MultipleOf::ONE,
            normalization: Some(Normalization::RootMeanSquare),
            slots,
        };
        let map = CouplingMap::new().with(Axis::Residual, residual);
        self.blocks.iter().enumerate().fold(map, |map, (layer, block)| {
            map.with(Axis::Ffn { layer }, ffn_slots(layer, block.inner.weight.dims()[1]))
        })
    }

    fn embed(&self, tokens: Tensor<2, Int>, _pass: &mut Forward<'_>) -> Tensor<3> {
        self.embed.forward(tokens)
    }

    fn layer(&self, layer: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let block = &self.blocks[layer];
        let input = pass.pass(Site::FfnInput { layer }, block.norm.forward(hidden.clone()));
        let [batch, seq, width] = input.dims();
        let first = Tensor::zeros([batch, 1, width], &input.device());
        let shifted = Tensor::cat(vec![first, input.clone().narrow(1, 0, seq - 1)], 1);
        let inner = pass.pass(Site::Ffn { layer }, relu(block.inner.forward(input + shifted)));
        hidden + block.outer.forward(inner)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.head.forward(pass.pass(Site::HeadInput, self.norm.forward(hidden)))
    }

    fn resized(mut self, selection: &Selection) -> Result<Self, Error> {
        if let Some(residual) = selection.get(Axis::Residual) {
            let grown = residual.len() as f64 / residual.kept_len() as f64;
            self.norm.epsilon *= grown;
            self.blocks.iter_mut().for_each(|block| block.norm.epsilon *= grown);
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
