//! One layer of the decoder.

use super::{Biases, DecoderConfig, HeadNorms, NormPlaces};
use crate::modules::{
    Attention, AttentionConfig, GatedMlp, GatedMlpConfig, HeadNormConfig, RmsNorm, Rotary, with_zero_bias,
};
use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use dress_core::{Forward, Site};

/// One layer: attention, then the feed-forward network, each with a norm before it or behind it.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// The norm before the attention, where there is one.
    pub input_layernorm: Option<RmsNorm>,
    /// The attention.
    pub self_attn: Attention,
    /// The norm before the feed-forward network, or behind the attention.
    pub post_attention_layernorm: RmsNorm,
    /// The norm before the feed-forward network, where the one above is behind the attention.
    pub pre_feedforward_layernorm: Option<RmsNorm>,
    /// The norm behind the feed-forward network, where there is one.
    pub post_feedforward_layernorm: Option<RmsNorm>,
    /// The feed-forward network.
    pub mlp: GatedMlp,
    #[module(skip)]
    norms: NormPlaces,
    #[module(skip)]
    residual_multiplier: f64,
}

/// The rotation of queries and keys in a layer, if they are rotated.
fn rotary(config: &DecoderConfig, layer: usize) -> Option<Rotary> {
    if !config.rotates[layer] {
        return None;
    }
    if let Some(theta) = config.local_theta.filter(|_| config.windows[layer].is_some()) {
        return Some(Rotary::new(config.rotary_dims, theta, None).of_kind(1));
    }
    let rotary = Rotary::new(config.rotary_dims, config.rope_theta, config.rope_scaling);
    Some(match &config.long_rope {
        Some(long_rope) => rotary.with_long_rope(long_rope),
        None => rotary,
    })
}

/// The norms of queries and keys, where there are any.
fn head_norms(config: &DecoderConfig, queries: usize, keys: usize) -> Option<HeadNormConfig> {
    let widths = match config.family.head_norms {
        HeadNorms::None => return None,
        HeadNorms::Each => [config.head_dim; 2],
        HeadNorms::All => [queries, keys].map(|heads| heads * config.head_dim),
    };
    let plus_one = config.family.gains_plus_one;
    Some(HeadNormConfig { widths, epsilon: config.rms_norm_eps, plus_one })
}

impl DecoderConfig {
    /// A norm over the stream's channels.
    pub(super) fn norm(&self, device: &Device) -> RmsNorm {
        let norm = RmsNorm::new(self.hidden_size, self.rms_norm_eps, device);
        if self.family.gains_plus_one { norm.plus_one() } else { norm }
    }
}

impl DecoderLayer {
    pub(super) fn new(config: &DecoderConfig, layer: usize, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.initializer_range };
        let keys = config.widths.heads(layer);
        let queries = keys * config.heads_per_group();
        let attention = AttentionConfig {
            hidden_size: config.hidden_size,
            num_attention_heads: queries,
            num_key_value_heads: keys,
            head_dim: config.head_dim,
            bias: config.biases.heads,
            output_bias: config.biases.attention_output,
            head_norms: head_norms(config, queries, keys),
            window: config.windows[layer],
            scale: config.multipliers.attention,
            soft_cap: config.soft_caps.attention,
            rotary: rotary(config, layer),
            initializer: initializer.clone(),
        };
        let mlp = GatedMlpConfig {
            hidden_size: config.hidden_size,
            intermediate_size: config.widths.ffn(layer),
            bias: config.biases.feed_forward,
            activation: config.family.activated.by,
            initializer,
        };
        let norm = || config.norm(device);
        let norms = config.family.norms;
        Self {
            input_layernorm: norms.before().then(norm),
            self_attn: attention.init(device),
            post_attention_layernorm: norm(),
            pre_feedforward_layernorm: (norms == NormPlaces::Both).then(norm),
            post_feedforward_layernorm: norms.behind().then(norm),
            mlp: mlp.init(device),
            norms,
            residual_multiplier: config.multipliers.residual,
        }
    }

    pub(super) fn forward(&self, hidden: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let input = normal(self.input_layernorm.as_ref(), hidden.clone());
        let input = pass.pass(Site::AttentionInput { layer }, input);
        let attended = self.self_attn.forward(input, layer, pass);
        let (before, behind) = match self.norms {
            NormPlaces::Before => (Some(&self.post_attention_layernorm), None),
            _ => (self.pre_feedforward_layernorm.as_ref(), Some(&self.post_attention_layernorm)),
        };
        let hidden = self.added(hidden, normal(behind, attended));
        let input = pass.pass(Site::FfnInput { layer }, normal(before, hidden.clone()));
        let fed = self.mlp.forward(input, layer, pass);
        self.added(hidden, normal(self.post_feedforward_layernorm.as_ref(), fed))
    }

    fn added(&self, hidden: Tensor<3>, more: Tensor<3>) -> Tensor<3> {
        match self.residual_multiplier {
            1.0 => hidden + more,
            multiplier => hidden + more * multiplier,
        }
    }

    pub(super) fn set_epsilon(&mut self, epsilon: f64) {
        let perhaps = [
            &mut self.input_layernorm,
            &mut self.pre_feedforward_layernorm,
            &mut self.post_feedforward_layernorm,
        ];
        perhaps.into_iter().flatten().for_each(|norm| norm.set_epsilon(epsilon));
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

fn normal(norm: Option<&RmsNorm>, states: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(states),
        None => states,
    }
}
