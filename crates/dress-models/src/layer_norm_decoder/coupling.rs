//! What has to be sliced together in a model of this decoder.

use super::{LayerNormConfig, LayerNormFamily, PartNames};
use crate::shape::depth;
use crate::slots::{GroupedHeads, linear, norm};
use dress_core::{Axis, AxisSlots, Component, CouplingMap, MultipleOf, Normalization, Role, Site, Slot};

use Component::{Attention, Ffn, Rest};
use Role::{Reads, Writes};

impl<F: LayerNormFamily> LayerNormConfig<F> {
    /// The coupling map of a checkpoint of this configuration.
    pub(crate) fn coupling(&self) -> CouplingMap {
        let map = CouplingMap::new().with(Axis::Residual, self.residual());
        let map = map.with(Axis::Depth, depth(self.num_hidden_layers));
        (0..self.num_hidden_layers).fold(map, |map, layer| {
            map.with(Axis::Ffn { layer }, self.ffn(layer)).with(Axis::Heads { layer }, self.heads(layer))
        })
    }

    fn residual(&self) -> AxisSlots {
        let weight = |part: &str| format!("{part}.weight");
        let mut slots = vec![Slot::new(weight(F::PARTS.embedding), 1, Writes, Rest)];
        (0..self.num_hidden_layers).for_each(|layer| self.residual_of_layer(layer, &mut slots));
        slots.extend(norm(F::PARTS.final_norm, Site::HeadInput));
        slots.push(Slot::new(weight(F::PARTS.head), 1, Reads, Rest).site(Site::HeadInput));
        let transformers = if F::HEAD_DIM_IN_TRANSFORMERS { 1 } else { self.head_dim };
        AxisSlots {
            len: self.hidden_size,
            multiple_of: MultipleOf { all: self.head_dim, transformers },
            normalization: Some(Normalization::Layer),
            slots,
        }
    }

    fn residual_of_layer(&self, layer: usize, slots: &mut Vec<Slot>) {
        let PartNames { attention_norm, ffn_norm, attention, attention_output, projections, .. } = F::PARTS;
        let name = |rest: &str| in_layer::<F>(layer, rest);
        let [first, second] = F::PARTS.ffn;
        let input = Site::AttentionInput { layer };
        // Without a norm of its own, what enters the feed-forward network is what enters the attention.
        let ffn_input = ffn_norm.map_or(input, |_| Site::FfnInput { layer });
        slots.extend(norm(&name(attention_norm), input));
        for projection in projections {
            let weight = name(&format!("{attention}.{projection}.weight"));
            slots.push(Slot::new(weight, 1, Reads, Attention).site(input));
        }
        let output = name(&format!("{attention}.{attention_output}"));
        slots.extend(linear(&output, self.attention_bias, 1, Attention));
        if let Some(ffn_norm) = ffn_norm {
            slots.extend(norm(&name(ffn_norm), ffn_input));
        }
        slots.push(Slot::new(name(&format!("{first}.weight")), 1, Reads, Ffn).site(ffn_input));
        slots.extend(linear(&name(second), true, 1, Ffn));
    }

    fn ffn(&self, layer: usize) -> AxisSlots {
        let [first, second] = F::PARTS.ffn.map(|projection| in_layer::<F>(layer, projection));
        let mut slots = linear(&first, true, 1, Ffn);
        slots.push(Slot::new(format!("{second}.weight"), 1, Reads, Ffn).site(Site::Ffn { layer }));
        AxisSlots { len: self.widths.ffn(layer), multiple_of: MultipleOf::ONE, normalization: None, slots }
    }

    fn heads(&self, layer: usize) -> AxisSlots {
        let PartNames { projections, attention_output, .. } = F::PARTS;
        let attention = in_layer::<F>(layer, F::PARTS.attention);
        let (head_dim, bias, len) = (self.head_dim, self.attention_bias, self.widths.heads(layer));
        let [joined] = projections else {
            let heads_per_group = self.heads_per_group();
            let output = attention_output;
            return GroupedHeads { attention, output, bias, head_dim, heads_per_group, len, layer }.slots();
        };
        // The query, key and value of a head are one block of rows.
        let mut slots = linear(&format!("{attention}.{joined}"), bias, 3 * head_dim, Attention);
        let output = format!("{attention}.{attention_output}.weight");
        slots.push(Slot::new(output, 1, Reads, Attention).block(head_dim).site(Site::Heads { layer }));
        AxisSlots { len, multiple_of: MultipleOf::ONE, normalization: None, slots }
    }
}

/// The whole name of a part of a layer.
fn in_layer<F: LayerNormFamily>(layer: usize, part: &str) -> String {
    format!("{}.{layer}.{part}", F::PARTS.layers)
}
