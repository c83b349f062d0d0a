//! What has to be sliced together in an OPT model.

use super::OptConfig;
use crate::shape::depth;
use crate::slots::{GroupedHeads, linear, norm};
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Writes};

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
    (0..config.num_hidden_layers).for_each(|layer| residual_of_layer(config, layer, &mut slots));
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

fn residual_of_layer(config: &OptConfig, layer: usize, slots: &mut Vec<Slot>) {
    let name = |rest: &str| format!("model.decoder.layers.{layer}.{rest}");
    let (first, second) = sites_of_norms(config, layer);
    slots.extend(norm(&name("self_attn_layer_norm"), first));
    for projection in ["q_proj", "k_proj", "v_proj"] {
        let weight = name(&format!("self_attn.{projection}.weight"));
        slots.push(Slot::new(weight, 1, Reads, Attention).site(Site::AttentionInput { layer }));
    }
    slots.extend(linear(&name("self_attn.out_proj"), config.enable_bias, 1, Attention));
    slots.extend(norm(&name("final_layer_norm"), second));
    slots.push(Slot::new(name("fc1.weight"), 1, Reads, Ffn).site(Site::FfnInput { layer }));
    slots.extend(linear(&name("fc2"), config.enable_bias, 1, Ffn));
}

/// Where the outputs of a layer's norms pass next: norms before attention and network feed these, norms
/// behind them what comes after.
fn sites_of_norms(config: &OptConfig, layer: usize) -> (Site, Site) {
    let next = layer + 1;
    match config.do_layer_norm_before {
        true => (Site::AttentionInput { layer }, Site::FfnInput { layer }),
        false if next == config.num_hidden_layers => (Site::FfnInput { layer }, Site::HeadInput),
        false => (Site::FfnInput { layer }, Site::AttentionInput { layer: next }),
    }
}

fn ffn(config: &OptConfig, layer: usize) -> AxisSlots {
    let name = |rest: &str| format!("model.decoder.layers.{layer}.{rest}");
    let mut slots = linear(&name("fc1"), config.enable_bias, 1, Ffn);
    slots.push(Slot::new(name("fc2.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
    AxisSlots { len: config.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
}

fn heads(config: &OptConfig, layer: usize) -> AxisSlots {
    let heads = GroupedHeads {
        attention: format!("model.decoder.layers.{layer}.self_attn"),
        output: "out_proj",
        bias: config.enable_bias,
        head_dim: config.head_dim,
        heads_per_group: 1,
        len: config.widths.heads(layer),
        layer,
    };
    heads.slots()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn site_of(parameter: &str, norm_before: bool) -> Option<Site> {
        let text = format!(
            r#"{{"vocab_size":9,"hidden_size":8,"ffn_dim":8,"num_hidden_layers":2,"num_attention_heads":2,
                "do_layer_norm_before":{norm_before}}}"#
        );
        let config = OptConfig::from_json(&text, Path::new("config.json")).unwrap();
        let map = coupling(&config);
        let slots = &map.axis(Axis::Residual).unwrap().slots;
        slots.iter().find(|slot| slot.parameter == parameter).unwrap().site
    }

    #[test]
    fn a_norm_behind_passes_the_site_of_what_reads_it() {
        for (norm, before, behind) in [
            ("0.self_attn_layer_norm", Site::AttentionInput { layer: 0 }, Site::FfnInput { layer: 0 }),
            ("0.final_layer_norm", Site::FfnInput { layer: 0 }, Site::AttentionInput { layer: 1 }),
            ("1.final_layer_norm", Site::FfnInput { layer: 1 }, Site::HeadInput),
        ] {
            let parameter = format!("model.decoder.layers.{norm}.weight");
            assert_eq!(site_of(&parameter, true), Some(before));
            assert_eq!(site_of(&parameter, false), Some(behind));
        }
    }
}
