//! Tensors of the files that hold several parameters of a layer.

use super::DecoderConfig;
use crate::FusedTensor;

impl DecoderConfig {
    /// Those of all layers, where the family's files have them.
    pub(super) fn fused(&self) -> Vec<FusedTensor> {
        let layers = if self.family.fused { self.num_hidden_layers } else { 0 };
        (0..layers).flat_map(of_layer).collect()
    }
}

fn of_layer(layer: usize) -> [FusedTensor; 2] {
    let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
    let heads = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(name);
    let network = ["mlp.gate_proj", "mlp.up_proj"].map(name);
    [
        FusedTensor { name: name("self_attn.qkv_proj"), parts: heads.into() },
        FusedTensor { name: name("mlp.gate_up_proj"), parts: network.into() },
    ]
}
