//! What has to be sliced together in a LLaMA model.

use super::LlamaConfig;
use crate::shape::depth;
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Scales, Writes};

/// The coupling map of a checkpoint of this configuration.
pub(super) fn coupling(config: &LlamaConfig) -> CouplingMap {
    let map = CouplingMap::new().with(Axis::Residual, residual(config));
    let map = map.with(Axis::Depth, depth(config.num_hidden_layers));
    (0..config.num_hidden_layers).fold(map, |map, layer| {
        map.with(Axis::Ffn { layer }, ffn(config, layer)).with(Axis::Heads { layer }, heads(config, layer))
    })
}

fn residual(config: &LlamaConfig) -> AxisSlots {
    let mut slots =
        vec![Slot::new("model.embed_tokens.weight", 1, Writes, Rest).tied(config.tie_word_embeddings)];
    (0..config.num_hidden_layers).for_each(|layer| residual_of_block(config, layer, &mut slots));
    slots.push(Slot::new("model.norm.weight", 0, Scales, Rest).site(Site::HeadInput));
    if !config.tie_word_embeddings {
        slots.push(Slot::new("lm_head.weight", 1, Reads, Rest).site(Site::HeadInput));
    }
    AxisSlots {
        len: config.hidden_size,
        multiple_of: MultipleOf::all(config.num_attention_heads),
        normalization: Some(Normalization::RootMeanSquare),
        slots,
    }
}

fn residual_of_block(config: &LlamaConfig, layer: usize, slots: &mut Vec<Slot>) {
    let name = |rest: &str| format!("model.layers.{layer}.{rest}");
    let norm = |norm, site| Slot::new(name(norm), 0, Scales, Rest).site(site);
    slots.push(norm("input_layernorm.weight", Site::AttentionInput { layer }));
    for projection in ["q_proj", "k_proj", "v_proj"] {
        let weight = name(&format!("self_attn.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Attention).site(Site::AttentionInput { layer }));
    }
    slots.push(Slot::new(name("self_attn.o_proj.weight"), 0, Writes, Attention));
    if config.attention_bias {
        slots.push(Slot::new(name("self_attn.o_proj.bias"), 0, Writes, Attention));
    }
    slots.push(norm("post_attention_layernorm.weight", Site::FfnInput { layer }));
    for projection in ["gate_proj", "up_proj"] {
        let weight = name(&format!("mlp.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Ffn).site(Site::FfnInput { layer }));
    }
    slots.push(Slot::new(name("mlp.down_proj.weight"), 0, Writes, Ffn));
    if config.mlp_bias {
        slots.push(Slot::new(name("mlp.down_proj.bias"), 0, Writes, Ffn));
    }
}

fn ffn(config: &LlamaConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.layers.{layer}.mlp.{rest}");
    let mut slots = Vec::new();
    for projection in ["gate_proj", "up_proj"] {
        slots.push(Slot::new(name(&format!("{projection}.weight")), 0, Writes, Ffn));
        if config.mlp_bias {
            slots.push(Slot::new(name(&format!("{projection}.bias")), 0, Writes, Ffn));
        }
    }
    slots.push(Slot::new(name("down_proj.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
    AxisSlots { len: config.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}

/// One structure is a key/value head with the query heads that share it.
fn heads(config: &LlamaConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.layers.{layer}.self_attn.{rest}");
    let (keys, queries) = (config.head_dim, config.head_dim * config.heads_per_group());
    let mut slots = Vec::new();
    for (projection, block) in [("q_proj", queries), ("k_proj", keys), ("v_proj", keys)] {
        slots.push(Slot::new(name(&format!("{projection}.weight")), 0, Writes, Attention).block(block));
        if config.attention_bias {
            slots.push(Slot::new(name(&format!("{projection}.bias")), 0, Writes, Attention).block(block));
        }
    }
    let output = Slot::new(name("o_proj.weight"), 1, Reads, Attention).block(queries);
    slots.push(output.site(Site::Heads { layer }));
    AxisSlots { len: config.widths.heads(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}
