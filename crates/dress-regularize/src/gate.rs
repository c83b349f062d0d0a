//! The annealed gate (identity [E5]).
//!
//! [E5]: dress_core::identities#e5

use crate::removed_layers::RemovedLayers;
use crate::{Error, Recentring, Schedule};
use dress_core::burn::tensor::{Device, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{
    Axis, AxisSelection, AxisSlots, CausalLm, Component, Normalization, Role, Selection, Site, Slot, Tap,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::{fmt, str::FromStr};

/// What happens to the statistics of the norms over a stream of which some channels are gated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateNorms {
    /// The mean square is over all channels, as in the dense model. What the gate takes out of the sum of
    /// squares, the norms give back to the channels that stay; slicing keeps it so (identity [E2]).
    ///
    /// [E2]: dress_core::identities#e2
    #[default]
    Fixed,
    /// The mean square is over `kept + g^2 removed` channels, so that what is sliced in the end has the gains
    /// that were trained.
    Count,
}

/// Multiplies what is selected by `g(t)`, which goes from 1 to 0 while the model is trained; at 0 the gated
/// model is the sliced one.
///
/// With `g = 1 - schedule`, for a stream `x` of `d` channels of which `r` are selected:
///
/// - channels: `x_i <- g x_i` for every selected `i`, in the norms' statistics too, since it is what writes
///   the stream that is multiplied. An embedding that is the head as well is multiplied where it leaves
///   behind root-mean-square norms, so that the head sees `g` once; behind layer norms, whose mean is taken
///   off in the weights, it is the weights that are multiplied, and the head sees `g^2`;
/// - norms: with [`GateNorms::Count`] gains are multiplied by `sqrt((d - r + g^2 r) / d)`, which is a mean
///   square over `d - r + g^2 r` channels; offsets of selected channels are multiplied by `g`;
/// - layer norms: the mean that the gate leaves is taken off the channels that stay (identity [E3]);
/// - neurons and heads: what enters the projection behind them is multiplied by `g`;
/// - layers: all that writes the residual stream in a layer that goes is multiplied by `g`, and nothing else
///   of it.
///
/// What a layer adds may be normalized before it is added. Then the projection before that norm and its gains
/// are gated both, so that a channel gets `g^2` of what the layer adds, and of a layer that goes the norm
/// undoes the gate of the projection, so that the stream gets `g` of it. Gains that are filed as one less
/// than what they multiply by are gated as what they multiply by.
///
/// [E3]: dress_core::identities#e3
#[derive(Debug)]
pub struct Gate {
    schedule: Schedule,
    holds: HashMap<String, Vec<Hold>>,
    spans: HashMap<Site, Span>,
    /// What to do in the weights instead of at a site, once the gate is closed.
    closing: HashMap<String, Vec<Hold>>,
    recentring: Option<Recentring>,
}

/// Indices `start..end` of a width.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
}

/// What the gate does to one parameter.
#[derive(Debug, Clone, Copy)]
enum Hold {
    /// Multiplies the selected indices of a dimension, as the file counts it, of numbers that lack so much of
    /// what they multiply by.
    Selected(usize, Span, f64),
    /// Multiplies the gains of a norm, of which this share of the channels goes, and which lack so much.
    Gains(f64, f64),
}

impl Hold {
    fn selected(slot: &Slot, span: Span) -> Self {
        Self::Selected(slot.dim, span, slot.offset())
    }
}

impl Gate {
    /// A gate on the structures that `selection` removes of `model`, which have to be the last of their axes.
    ///
    /// # Errors
    /// [`Error::Ramp`], [`Error::NotPermuted`], [`Error::LayerDoesMoreThanAdd`], and those of
    /// [`Selection::check`].
    pub fn new<M: CausalLm>(
        model: &M,
        selection: &Selection,
        schedule: Schedule,
        norms: GateNorms,
    ) -> Result<Self, Error> {
        schedule.check()?;
        let layers = RemovedLayers::of(model, selection)?;
        let recentring = Recentring::new(model, selection)?;
        let (holds, spans, closing) = Default::default();
        let mut gate = Self { schedule, holds, spans, closing, recentring };
        for slot in &layers.writers {
            let whole = Hold::selected(slot, Span { start: 0, end: layers.width * slot.block });
            gate.holds.entry(slot.parameter.clone()).or_default().push(whole);
        }
        for (axis, chosen) in layers.structures.iter() {
            match axis {
                Axis::Residual => gate.add_stream(layers.map.axis(axis)?, chosen, norms),
                _ => gate.add_inner(layers.map.axis(axis)?, chosen),
            }
        }
        Ok(gate)
    }

    /// `g` where `share` of the steps are done.
    ///
    /// # Examples
    /// ```
    /// # use dress_core::burn::tensor::Device;
    /// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    /// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
    /// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
    /// use dress_core::{Axis, AxisSelection, Selection};
    /// use dress_regularize::{Gate, GateNorms};
    ///
    /// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, (16..24).collect())?);
    /// let gate = Gate::new(&model, &selection, "linear:0.5".parse()?, GateNorms::Fixed)?;
    /// assert_eq!((gate.at(0.0), gate.at(0.25), gate.at(0.5), gate.at(1.0)), (1.0, 0.5, 0.0, 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(&self, share: f64) -> f64 {
        1.0 - self.schedule.at(share)
    }

    /// What the forward pass has to see of `model` where the gate is at `g`, beside [`Gate::tap`]: on the
    /// autodiff graph of `model`.
    pub fn apply<M: CausalLm>(&self, model: &M, g: f64) -> M {
        parameters::derive(model, &mut Gating { gate: self, g, closing: false })
    }

    /// The rest of the gate: the sites at which activations are multiplied.
    pub fn tap(&self, g: f64) -> GateTap<'_> {
        GateTap { gate: self, g }
    }

    /// `model` with the closed gate in its weights, which slicing then leaves as it is.
    pub fn close<M: CausalLm>(&self, model: M) -> M {
        parameters::map(model, &mut Gating { gate: self, g: 0.0, closing: true })
    }

    fn add_stream(&mut self, slots: &AxisSlots, chosen: &AxisSelection, norms: GateNorms) {
        let post = slots.normalization == Some(Normalization::PostLayer);
        let gains = norms == GateNorms::Count && slots.normalization.is_some() && !post;
        // A head that is the embedding reads what was gated already: the embedding is gated where it leaves, but for
        // layer norms, whose mean is taken off a gated weight.
        let root_mean_square = matches!(
            slots.normalization,
            Some(Normalization::RootMeanSquare | Normalization::RootMeanSquareBehind)
        );
        let at_embedding = root_mean_square && slots.slots.iter().any(|slot| slot.tied);
        if at_embedding {
            self.spans.insert(Site::Embedding, Span::of(chosen, 1));
        }
        for slot in &slots.slots {
            let selected = Hold::selected(slot, Span::of(chosen, slot.block));
            let into = match slot.role {
                Role::Writes if at_embedding && slot.component == Component::Rest => &mut self.closing,
                Role::Writes | Role::Shifts => &mut self.holds,
                Role::Scales if post => &mut self.holds,
                Role::Scales if gains => {
                    let share = chosen.removed().len() as f64 / chosen.len() as f64;
                    self.holds
                        .entry(slot.parameter.clone())
                        .or_default()
                        .push(Hold::Gains(share, slot.offset()));
                    continue;
                }
                Role::Scales | Role::Reads => continue,
            };
            into.entry(slot.parameter.clone()).or_default().push(selected);
        }
    }

    /// Neurons and heads, at what reads them, and where a norm is over them at what writes them, too.
    fn add_inner(&mut self, slots: &AxisSlots, chosen: &AxisSelection) {
        let normalized = slots.normalization.is_some();
        for slot in slots.slots.iter().filter(|slot| normalized && slot.role == Role::Writes) {
            let selected = Hold::selected(slot, Span::of(chosen, slot.block));
            self.holds.entry(slot.parameter.clone()).or_default().push(selected);
        }
        for slot in slots.slots.iter().filter(|slot| slot.role == Role::Reads) {
            let span = Span::of(chosen, slot.block);
            let weights = match slot.site {
                Some(site) => {
                    self.spans.insert(site, span);
                    &mut self.closing
                }
                None => &mut self.holds,
            };
            weights.entry(slot.parameter.clone()).or_default().push(Hold::selected(slot, span));
        }
    }
}

impl Span {
    fn of(chosen: &AxisSelection, block: usize) -> Self {
        Self { start: chosen.kept_len() * block, end: chosen.len() * block }
    }

    /// One for what stays and `g` for what is selected, along one of `D` dimensions. Nothing stays of a layer
    /// that goes.
    fn factors<const D: usize>(self, dim: usize, g: f64, device: &Device) -> Tensor<D> {
        let (mut kept, mut gone) = ([1; D], [1; D]);
        (kept[dim], gone[dim]) = (self.start, self.end - self.start);
        let selected = Tensor::full(gone, g, device);
        if self.start == 0 {
            return selected;
        }
        Tensor::cat(vec![Tensor::ones(kept, device), selected], dim)
    }
}

struct Gating<'a> {
    gate: &'a Gate,
    g: f64,
    closing: bool,
}

impl ParameterMapper for Gating<'_> {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        // Of a product of low-rank factors, the one that runs over the axis is gated.
        let (name, layout) = match (name.strip_suffix(".lora.a"), name.strip_suffix(".lora.b")) {
            (Some(name), _) if self.runs_over(name, 0) => (name, Layout::Transposed),
            (_, Some(name)) if self.runs_over(name, 1) => (name, Layout::Transposed),
            _ => (name, layout),
        };
        let closing = self.gate.closing.get(name).filter(|_| self.closing);
        let holds = self.gate.holds.get(name).into_iter().chain(closing).flatten();
        let dtype = value.dtype();
        let gated = holds.fold(value, |value, hold| match *hold {
            Hold::Selected(dim, span, offset) => {
                let dim = layout.dim(dim);
                let factors = span.factors::<D>(dim, self.g, &value.device()).cast(dtype);
                let gated = value * factors.clone();
                if offset == 0.0 { gated } else { gated + (factors - 1.0) * offset }
            }
            Hold::Gains(removed, offset) => {
                let factor = (1.0 - removed * (1.0 - self.g * self.g)).sqrt();
                if offset == 0.0 { value * factor } else { value * factor + (factor - 1.0) * offset }
            }
        });
        match &self.gate.recentring {
            Some(recentring) => recentring.value(name, layout, gated),
            None => gated,
        }
    }
}

impl Gating<'_> {
    /// Whether what is done to a linear layer's weight is done along dimension `dim` in memory.
    fn runs_over(&self, name: &str, dim: usize) -> bool {
        let closing = self.gate.closing.get(name).filter(|_| self.closing);
        let mut holds = self.gate.holds.get(name).into_iter().chain(closing).flatten();
        holds.any(|hold| matches!(hold, Hold::Selected(at, ..) if Layout::Transposed.dim(*at) == dim))
    }
}

/// Multiplies selected activations by the gate.
#[derive(Debug)]
pub struct GateTap<'a> {
    gate: &'a Gate,
    g: f64,
}

impl Tap for GateTap<'_> {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let Some(span) = self.gate.spans.get(&site) else { return value };
        let factors = span.factors::<3>(2, self.g, &value.device()).cast(value.dtype());
        value * factors
    }
}

impl GateNorms {
    /// The names of all ways, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 2] = ["fixed", "count"];
}

impl fmt::Display for GateNorms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == GateNorms::Count { "count" } else { "fixed" })
    }
}

impl FromStr for GateNorms {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "count" => Ok(GateNorms::Count),
            "fixed" => Ok(GateNorms::Fixed),
            _ => Err(Error::GateNormsName { name: text.into() }),
        }
    }
}
