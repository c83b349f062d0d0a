//! What has to be sliced together in a GPT-NeoX model.

use super::GptNeoxConfig;
use crate::shape::depth;
use crate::slots::{linear, norm};
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Writes};

/// The coupling map of a checkpoint of this configuration.
pub(super) fn coupling(config: &GptNeoxConfig) -> CouplingMap {
    let map = CouplingMap::new().with(Axis::Residual, residual(config));
    let map = map.with(Axis::Depth, depth(config.num_hidden_layers));
    (0..config.num_hidden_layers).fold(map, |map, layer| {
        map.with(Axis::Ffn { layer }, ffn(config, layer)).with(Axis::Heads { layer }, heads(config, layer))
    })
}

fn residual(config: &GptNeoxConfig) -> AxisSlots {
    let mut slots = vec![Slot::new("gpt_neox.embed_in.weight", 1, Writes, Rest)];
    (0..config.num_hidden_layers).for_each(|layer| residual_of_layer(config, layer, &mut slots));
    slots.extend(norm("gpt_neox.final_layer_norm", Site::HeadInput));
    slots.push(Slot::new("embed_out.weight", 1, Reads, Rest).site(Site::HeadInput));
    AxisSlots {
        len: config.hidden_size,
        multiple_of: MultipleOf::all(config.head_dim),
        normalization: Some(Normalization::Layer),
        slots,
    }
}

fn residual_of_layer(config: &GptNeoxConfig, layer: usize, slots: &mut Vec<Slot>) {
    let name = |rest: &str| format!("gpt_neox.layers.{layer}.{rest}");
    let (attention, ffn) = (Site::AttentionInput { layer }, Site::FfnInput { layer });
    slots.extend(norm(&name("input_layernorm"), attention));
    slots.push(Slot::new(name("attention.query_key_value.weight"), 1, Reads, Attention).site(attention));
    slots.extend(linear(&name("attention.dense"), config.attention_bias, 1, Attention));
    slots.extend(norm(&name("post_attention_layernorm"), ffn));
    slots.push(Slot::new(name("mlp.dense_h_to_4h.weight"), 1, Reads, Ffn).site(ffn));
    slots.extend(linear(&name("mlp.dense_4h_to_h"), true, 1, Ffn));
}

fn ffn(config: &GptNeoxConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("gpt_neox.layers.{layer}.mlp.{rest}");
    let mut slots = linear(&name("dense_h_to_4h"), true, 1, Ffn);
    slots.push(Slot::new(name("dense_4h_to_h.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
    AxisSlots { len: config.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}

/// The query, key and value of a head are one block of rows.
fn heads(config: &GptNeoxConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("gpt_neox.layers.{layer}.attention.{rest}");
    let mut slots = linear(&name("query_key_value"), config.attention_bias, 3 * config.head_dim, Attention);
    let output = Slot::new(name("dense.weight"), 1, Reads, Attention).block(config.head_dim);
    slots.push(output.site(Site::Heads { layer }));
    AxisSlots { len: config.widths.heads(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}
