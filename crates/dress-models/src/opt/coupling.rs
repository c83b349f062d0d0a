//! What has to be sliced together in an OPT model.

use super::OptConfig;
use crate::shape::depth;
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Scales, Shifts, Writes};

/// The coupling map of a checkpoint of this configuration.
pub(super) fn coupling(config: &OptConfig) -> CouplingMap {
    let map = CouplingMap::new().with(Axis::Residual, residual(config));
    let map = map.with(Axis::Depth, depth(config.num_hidden_layers));
    (0..config.num_hidden_layers).fold(map, |map, layer| {
        map.with(Axis::Ffn { layer }, ffn(config, layer)).with(Axis::Heads { layer }, heads(config, layer))
    })
}

fn residual(config: &OptConfig) -> AxisSlots {
    let decoder = |rest: &str| format!("model.decoder.{rest}");
    let mut slots = match config.has_projections() {
        true => vec![
            Slot::new(decoder("project_in.weight"), 0, Writes, Rest),
            Slot::new(decoder("project_out.weight"), 1, Reads, Rest).site(Site::HeadInput),
        ],
        false => {
            vec![Slot::new(decoder("embed_tokens.weight"), 1, Writes, Rest).tied(config.tie_word_embeddings)]
        }
    };
    slots.push(Slot::new(decoder("embed_positions.weight"), 1, Writes, Rest));
    (0..config.num_hidden_layers).for_each(|layer| residual_of_block(config, layer, &mut slots));
    if config.final_layer_norm {
        slots.extend(norm(&decoder("final_layer_norm"), Site::HeadInput));
    }
    if !config.tie_word_embeddings && !config.has_projections() {
        slots.push(Slot::new("lm_head.weight", 1, Reads, Rest).site(Site::HeadInput));
    }
    AxisSlots {
        len: config.hidden_size,
        multiple_of: MultipleOf::all(config.head_dim),
        normalization: Some(match config.do_layer_norm_before {
            true => Normalization::Layer,
            false => Normalization::PostLayer,
        }),
        slots,
    }
}

fn residual_of_block(config: &OptConfig, layer: usize, slots: &mut Vec<Slot>) {
    let name = |rest: &str| format!("model.decoder.layers.{layer}.{rest}");
    slots.extend(norm(&name("self_attn_layer_norm"), Site::AttentionInput { layer }));
    for projection in ["q_proj", "k_proj", "v_proj"] {
        let weight = name(&format!("self_attn.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Attention).site(Site::AttentionInput { layer }));
    }
    slots.extend(linear(config, &name("self_attn.out_proj"), 1, Attention));
    slots.extend(norm(&name("final_layer_norm"), Site::FfnInput { layer }));
    slots.push(Slot::new(name("fc1.weight"), 1, Reads, Ffn).site(Site::FfnInput { layer }));
    slots.extend(linear(config, &name("fc2"), 1, Ffn));
}

/// A norm whose output passes `site`.
fn norm(name: &str, site: Site) -> [Slot; 2] {
    [("weight", Scales), ("bias", Shifts)]
        .map(|(part, role)| Slot::new(format!("{name}.{part}"), 0, role, Rest).site(site))
}

/// The rows of a projection that write an axis, with their biases.
fn linear(config: &OptConfig, name: &str, block: usize, component: Component) -> Vec<Slot> {
    let mut slots = vec![Slot::new(format!("{name}.weight"), 0, Writes, component).block(block)];
    if config.enable_bias {
        slots.push(Slot::new(format!("{name}.bias"), 0, Writes, component).block(block));
    }
    slots
}

fn ffn(config: &OptConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.decoder.layers.{layer}.{rest}");
    let mut slots = linear(config, &name("fc1"), 1, Ffn);
    slots.push(Slot::new(name("fc2.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
    AxisSlots { len: config.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}

fn heads(config: &OptConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.decoder.layers.{layer}.self_attn.{rest}");
    let mut slots = Vec::new();
    for projection in ["q_proj", "k_proj", "v_proj"] {
        slots.extend(linear(config, &name(projection), config.head_dim, Attention));
    }
    let output = Slot::new(name("out_proj.weight"), 1, Reads, Attention).block(config.head_dim);
    slots.push(output.site(Site::Heads { layer }));
    AxisSlots { len: config.widths.heads(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}
