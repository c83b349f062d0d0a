//! What has to be sliced together in a Phi model.

use super::PhiConfig;
use crate::shape::depth;
use crate::slots::{GroupedHeads, linear, norm};
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Writes};

/// The coupling map of a checkpoint of this configuration.
pub(super) fn coupling(config: &PhiConfig) -> CouplingMap {
    let map = CouplingMap::new().with(Axis::Residual, residual(config));
    let map = map.with(Axis::Depth, depth(config.num_hidden_layers));
    (0..config.num_hidden_layers).fold(map, |map, layer| {
        map.with(Axis::Ffn { layer }, ffn(config, layer)).with(Axis::Heads { layer }, heads(config, layer))
    })
}

fn residual(config: &PhiConfig) -> AxisSlots {
    let mut slots = vec![Slot::new("model.embed_tokens.weight", 1, Writes, Rest)];
    (0..config.num_hidden_layers).for_each(|layer| residual_of_layer(layer, &mut slots));
    slots.extend(norm("model.final_layernorm", Site::HeadInput));
    slots.push(Slot::new("lm_head.weight", 1, Reads, Rest).site(Site::HeadInput));
    AxisSlots {
        len: config.hidden_size,
        multiple_of: MultipleOf { all: config.head_dim, transformers: 1 },
        normalization: Some(Normalization::Layer),
        slots,
    }
}

/// One norm feeds both the attention and the feed-forward network, which write side by side.
fn residual_of_layer(layer: usize, slots: &mut Vec<Slot>) {
    let name = |rest: &str| format!("model.layers.{layer}.{rest}");
    // What enters the feed-forward network is what enters the attention.
    let input = Site::AttentionInput { layer };
    slots.extend(norm(&name("input_layernorm"), input));
    for projection in ["q_proj", "k_proj", "v_proj"] {
        let weight = name(&format!("self_attn.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Attention).site(input));
    }
    slots.extend(linear(&name("self_attn.dense"), true, 1, Attention));
    slots.push(Slot::new(name("mlp.fc1.weight"), 1, Reads, Ffn).site(input));
    slots.extend(linear(&name("mlp.fc2"), true, 1, Ffn));
}

fn ffn(config: &PhiConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.layers.{layer}.mlp.{rest}");
    let mut slots = linear(&name("fc1"), true, 1, Ffn);
    slots.push(Slot::new(name("fc2.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
    AxisSlots { len: config.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}

fn heads(config: &PhiConfig, layer: usize) -> AxisSlots {
    let heads = GroupedHeads {
        attention: format!("model.layers.{layer}.self_attn"),
        output: "dense",
        bias: true,
        head_dim: config.head_dim,
        heads_per_group: config.heads_per_group(),
        len: config.widths.heads(layer),
        layer,
    };
    heads.slots()
}
