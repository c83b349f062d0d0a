//! The parts that a configuration declares, and its sizes after slicing.

use super::{LayerNormConfig, LayerNormFamily};
use crate::modules::{LayerNorm, Rotary};
use crate::shape::resize;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::Device;
use dress_core::{Axis, Selection};

impl<F: LayerNormFamily> LayerNormConfig<F> {
    /// How weights start that are not loaded.
    pub(crate) fn initializer(&self) -> Initializer {
        Initializer::Normal { mean: 0.0, std: self.initializer_range }
    }

    /// From tokens to the stream.
    pub(crate) fn embedding(&self, device: &Device) -> Embedding {
        let embedding = EmbeddingConfig::new(self.vocab_size, self.hidden_size);
        embedding.with_initializer(self.initializer()).init(device)
    }

    /// A projection, with a bias or without.
    pub(crate) fn linear(&self, inputs: usize, outputs: usize, bias: bool, device: &Device) -> Linear {
        let linear = LinearConfig::new(inputs, outputs).with_bias(bias);
        linear.with_initializer(self.initializer()).init(device)
    }

    /// A norm over the stream's channels.
    pub(crate) fn norm(&self, device: &Device) -> LayerNorm {
        LayerNorm::new(self.hidden_size, self.layer_norm_eps, device)
    }

    /// The rotation of queries and keys.
    pub(crate) fn rotary(&self) -> Rotary {
        Rotary::new(self.rotary_dims, self.rope_theta, self.rope_scaling)
    }

    /// Takes the sizes, the epsilon and a model's layers to what `selection` leaves. The norms have to be
    /// told of the epsilon, which identity E2 multiplies.
    pub(crate) fn resize<T>(&mut self, layers: &mut Vec<T>, selection: &Selection) {
        if let Some(residual) = selection.get(Axis::Residual) {
            let kept = residual.kept_len();
            let epsilon = self.layer_norm_eps * residual.len() as f64 / kept as f64;
            (self.hidden_size, self.layer_norm_eps) = (kept, epsilon);
        }
        let heads_per_group = self.heads_per_group();
        [self.intermediate_size, self.num_key_value_heads, self.num_hidden_layers] =
            resize(&mut self.widths, layers, selection);
        self.num_attention_heads = self.num_key_value_heads * heads_per_group;
    }
}
