//! What has to be sliced together in a model of this decoder.

use super::{DecoderConfig, HeadNorms, NormPlaces};
use crate::shape::depth;
use crate::slots::{GroupedHeads, linear};
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Scales, Writes};

/// The coupling map of a checkpoint of this configuration.
pub(super) fn coupling(config: &DecoderConfig) -> CouplingMap {
    let map = CouplingMap::new().with(Axis::Residual, residual(config));
    let map = map.with(Axis::Depth, depth(config.num_hidden_layers));
    (0..config.num_hidden_layers).fold(map, |map, layer| {
        map.with(Axis::Ffn { layer }, ffn(config, layer)).with(Axis::Heads { layer }, heads(config, layer))
    })
}

fn residual(config: &DecoderConfig) -> AxisSlots {
    let mut slots =
        vec![Slot::new("model.embed_tokens.weight", 1, Writes, Rest).tied(config.tie_word_embeddings)];
    (0..config.num_hidden_layers).for_each(|layer| residual_of_layer(config, layer, &mut slots));
    let last = Slot::new("model.norm.weight", 0, Scales, Rest).site(Site::HeadInput);
    slots.push(last.plus_one(config.family.gains_plus_one));
    if !config.tie_word_embeddings {
        slots.push(Slot::new("lm_head.weight", 1, Reads, Rest).site(Site::HeadInput));
    }
    AxisSlots {
        len: config.hidden_size,
        multiple_of: config.width_multiple(),
        normalization: Some(match config.family.norms {
            NormPlaces::Before => Normalization::RootMeanSquare,
            NormPlaces::Behind | NormPlaces::Both => Normalization::RootMeanSquareBehind,
        }),
        slots,
    }
}

fn residual_of_layer(config: &DecoderConfig, layer: usize, slots: &mut Vec<Slot>) {
    let name = |rest: &str| format!("model.layers.{layer}.{rest}");
    let (norms, plus_one) = (config.family.norms, config.family.gains_plus_one);
    let read = |norm, site| Slot::new(name(norm), 0, Scales, Rest).site(site).plus_one(plus_one);
    // The gains of a norm behind a projection write the stream: it undoes whatever scale the projection has.
    let written = |norm, component| {
        norms.behind().then(|| Slot::new(name(norm), 0, Writes, component).plus_one(plus_one))
    };
    if norms.before() {
        slots.push(read("input_layernorm.weight", Site::AttentionInput { layer }));
    }
    for projection in ["q_proj", "k_proj", "v_proj"] {
        let weight = name(&format!("self_attn.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Attention).site(Site::AttentionInput { layer }));
    }
    slots.extend(linear(&name("self_attn.o_proj"), config.biases.attention_output, 1, Attention));
    slots.extend(written("post_attention_layernorm.weight", Attention));
    slots.extend(match norms {
        NormPlaces::Before => Some(read("post_attention_layernorm.weight", Site::FfnInput { layer })),
        NormPlaces::Both => Some(read("pre_feedforward_layernorm.weight", Site::FfnInput { layer })),
        NormPlaces::Behind => None,
    });
    for projection in ["gate_proj", "up_proj"] {
        let weight = name(&format!("mlp.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Ffn).site(Site::FfnInput { layer }));
    }
    slots.extend(linear(&name("mlp.down_proj"), config.biases.feed_forward, 1, Ffn));
    slots.extend(written("post_feedforward_layernorm.weight", Ffn));
}

fn ffn(config: &DecoderConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.layers.{layer}.mlp.{rest}");
    let written = ["gate_proj", "up_proj"]
        .map(|projection| linear(&name(projection), config.biases.feed_forward, 1, Ffn));
    let mut slots = written.concat();
    slots.push(Slot::new(name("down_proj.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
    AxisSlots { len: config.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}

fn heads(config: &DecoderConfig, layer: usize) -> AxisSlots {
    let heads = GroupedHeads {
        attention: format!("model.layers.{layer}.self_attn"),
        output: "o_proj",
        bias: config.biases.heads,
        head_dim: config.head_dim,
        heads_per_group: config.heads_per_group(),
        len: config.widths.heads(layer),
        layer,
    };
    let mut slots = heads.slots();
    if config.family.head_norms == HeadNorms::All {
        let keys = config.head_dim;
        for (norm, block) in [("q_norm", keys * config.heads_per_group()), ("k_norm", keys)] {
            let gains = format!("model.layers.{layer}.self_attn.{norm}.weight");
            let gains = Slot::new(gains, 0, Scales, Attention).block(block);
            slots.slots.push(gains.plus_one(config.family.gains_plus_one));
        }
        slots.normalization = Some(Normalization::RootMeanSquare);
    }
    slots
}
