//! One layer of the decoder.

use super::{Biases, DecoderConfig};
use crate::modules::{Attention, AttentionConfig, GatedMlp, GatedMlpConfig, RmsNorm, Rotary, with_zero_bias};
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use dress_core::{Forward, Site};

/// One layer: attention, then the feed-forward network, each behind its norm.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// The norm before the attention.
    pub input_layernorm: RmsNorm,
    /// The attention.
    pub self_attn: Attention,
    /// The norm before the feed-forward network.
    pub post_attention_layernorm: RmsNorm,
    /// The feed-forward network.
    pub mlp: GatedMlp,
}

/// The rotation of queries and keys.
fn rotary(config: &DecoderConfig) -> Rotary {
    let rotary = Rotary::new(config.rotary_dims, config.rope_theta, config.rope_scaling);
    match &config.long_rope {
        Some(long_rope) => rotary.with_long_rope(long_rope),
        None => rotary,
    }
}

impl DecoderLayer {
    pub(super) fn new(config: &DecoderConfig, layer: usize, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.initializer_range };
        let attention = AttentionConfig {
            hidden_size: config.hidden_size,
            num_attention_heads: config.widths.heads(layer) * config.heads_per_group(),
            num_key_value_heads: config.widths.heads(layer),
            head_dim: config.head_dim,
            bias: config.biases.heads,
            output_bias: config.biases.attention_output,
            head_norms: config.family.head_norms.then_some(config.rms_norm_eps),
            window: config.windows[layer],
            rotary: rotary(config),
            initializer: initializer.clone(),
        };
        let mlp = GatedMlpConfig {
            hidden_size: config.hidden_size,
            intermediate_size: config.widths.ffn(layer),
            bias: config.biases.feed_forward,
            initializer,
        };
        let norm = || RmsNorm::new(config.hidden_size, config.rms_norm_eps, device);
        Self {
            input_layernorm: norm(),
            self_attn: attention.init(device),
            post_attention_layernorm: norm(),
            mlp: mlp.init(device),
        }
    }

    pub(super) fn forward(&self, hidden: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let input = self.input_layernorm.forward(hidden.clone());
        let input = pass.pass(Site::AttentionInput { layer }, input);
        let hidden = hidden + self.self_attn.forward(input, layer, pass);
        let input = self.post_attention_layernorm.forward(hidden.clone());
        let input = pass.pass(Site::FfnInput { layer }, input);
        hidden + self.mlp.forward(input, layer, pass)
    }

    pub(super) fn set_epsilon(&mut self, epsilon: f64) {
        self.input_layernorm.set_epsilon(epsilon);
        self.post_attention_layernorm.set_epsilon(epsilon);
        self.self_attn.set_epsilon(epsilon);
    }

    /// Gives biases of zero to the projections that `biases` names, unless they have one.
    pub(super) fn add_biases(&mut self, biases: Biases) {
        let Self { self_attn, mlp, .. } = self;
        let of_heads = [&mut self_attn.q_proj, &mut self_attn.k_proj, &mut self_attn.v_proj];
        let of_network = [&mut mlp.gate_proj, &mut mlp.up_proj, &mut mlp.down_proj];
        of_heads.into_iter().filter(|_| biases.heads).for_each(with_zero_bias);
        [&mut self_attn.o_proj].into_iter().filter(|_| biases.attention_output).for_each(with_zero_bias);
        of_network.into_iter().filter(|_| biases.feed_forward).for_each(with_zero_bias);
    }
}
