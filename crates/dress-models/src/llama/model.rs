//! The LLaMA decoder, composed of the shared modules.

use super::{LlamaConfig, coupling};
use crate::Family;
use crate::modules::{
    Attention, AttentionConfig, GatedMlp, GatedMlpConfig, RmsNorm, Rotary, head_loss, linear, tied_head,
    untied_head, with_zero_bias,
};
use crate::part_of_parameter::is_in_part;
use crate::shape::resize;
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use dress_core::parameters::NamedParameters;
use dress_core::{Axis, CausalLm, CouplingMap, Error, Forward, Part, Selection, Site, StockTarget};
use std::path::Path;

/// A LLaMA language model; parameter paths are those of its checkpoints.
#[derive(Module, Debug)]
pub struct LlamaForCausalLm {
    /// Everything below the head.
    pub model: LlamaModel,
    /// The head, where it is not the embedding.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    config: LlamaConfig,
}

/// Embedding, layers and final norm.
#[derive(Module, Debug)]
pub struct LlamaModel {
    /// From tokens to the stream.
    pub embed_tokens: Embedding,
    /// The layers.
    pub layers: Vec<LlamaDecoderLayer>,
    /// The norm before the head.
    pub norm: RmsNorm,
}

/// One layer: attention, then the feed-forward network, each behind its norm.
#[derive(Module, Debug)]
pub struct LlamaDecoderLayer {
    /// The norm before the attention.
    pub input_layernorm: RmsNorm,
    /// The attention.
    pub self_attn: Attention,
    /// The norm before the feed-forward network.
    pub post_attention_layernorm: RmsNorm,
    /// The feed-forward network.
    pub mlp: GatedMlp,
}

impl LlamaForCausalLm {
    /// A model of this configuration. Weights are drawn from a normal distribution of
    /// `initializer_range` when first used, and never where a checkpoint fills them.
    ///
    /// # Examples
    /// A configuration makes a model, and tokens go through it:
    ///
    /// ```
    /// use dress_core::burn::tensor::{Device, Int, Tensor};
    /// use dress_core::{CausalLm, Forward, NoTap};
    /// use dress_models::llama::{LlamaConfig, LlamaForCausalLm};
    ///
    /// let text = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    ///     "num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":true}"#;
    /// let config = LlamaConfig::from_json(text, "config.json".as_ref())?;
    /// let model = LlamaForCausalLm::new(config, &Device::flex());
    /// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
    /// let logits = model.forward(tokens, &mut Forward::new(&mut NoTap));
    /// assert_eq!(logits.dims(), [1, 3, 32]);
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn new(config: LlamaConfig, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.initializer_range };
        let embedding = EmbeddingConfig::new(config.vocab_size, config.hidden_size);
        let head = LinearConfig::new(config.hidden_size, config.vocab_size).with_bias(false);
        let layers =
            (0..config.num_hidden_layers).map(|layer| LlamaDecoderLayer::new(&config, layer, device));
        let model = LlamaModel {
            embed_tokens: embedding.with_initializer(initializer.clone()).init(device),
            layers: layers.collect(),
            norm: RmsNorm::new(config.hidden_size, config.rms_norm_eps, device),
        };
        let untied = !config.tie_word_embeddings;
        Self { model, lm_head: untied.then(|| head.with_initializer(initializer).init(device)), config }
    }

    /// The configuration, as it is after slicing.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    fn set_epsilon(&mut self, epsilon: f64) {
        self.config.rms_norm_eps = epsilon;
        self.model.norm.set_epsilon(epsilon);
        for layer in &mut self.model.layers {
            layer.input_layernorm.set_epsilon(epsilon);
            layer.post_attention_layernorm.set_epsilon(epsilon);
        }
    }
}

impl LlamaDecoderLayer {
    fn new(config: &LlamaConfig, layer: usize, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.initializer_range };
        let attention = AttentionConfig {
            hidden_size: config.hidden_size,
            num_attention_heads: config.widths.heads(layer) * config.heads_per_group(),
            num_key_value_heads: config.widths.heads(layer),
            head_dim: config.head_dim,
            bias: config.attention_bias,
            output_bias: config.attention_bias,
            rotary: Rotary::new(config.head_dim, config.rope_theta, config.rope_scaling),
            initializer: initializer.clone(),
        };
        let mlp = GatedMlpConfig {
            hidden_size: config.hidden_size,
            intermediate_size: config.widths.ffn(layer),
            bias: config.mlp_bias,
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

    fn forward(&self, hidden: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let input = self.input_layernorm.forward(hidden.clone());
        let input = pass.pass(Site::AttentionInput { layer }, input);
        let hidden = hidden + self.self_attn.forward(input, layer, pass);
        let input = self.post_attention_layernorm.forward(hidden.clone());
        let input = pass.pass(Site::FfnInput { layer }, input);
        hidden + self.mlp.forward(input, layer, pass)
    }
}

impl NamedParameters for LlamaForCausalLm {}

impl Family for LlamaForCausalLm {
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, crate::Error> {
        Ok(Self::new(LlamaConfig::from_json(text, path)?, device))
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        self.config.to_json(torch_dtype)
    }
}

impl CausalLm for LlamaForCausalLm {
    fn architecture(&self) -> &str {
        "LlamaForCausalLM"
    }

    fn num_layers(&self) -> usize {
        self.model.layers.len()
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn max_positions(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn coupling(&self) -> CouplingMap {
        coupling::coupling(&self.config)
    }

    fn embed(&self, tokens: Tensor<2, Int>, _pass: &mut Forward<'_>) -> Tensor<3> {
        self.model.embed_tokens.forward(tokens)
    }

    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.model.layers[index].forward(hidden, index, pass)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = pass.pass(Site::HeadInput, self.model.norm.forward(hidden));
        match &self.lm_head {
            Some(head) => linear(head, hidden),
            None => tied_head(hidden, self.model.embed_tokens.weight.val()),
        }
    }

    fn head_loss(&self, hidden: Tensor<3>, targets: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        let input = pass.pass(Site::HeadInput, self.model.norm.forward(hidden));
        head_loss(input, self.lm_head.as_ref(), || self.model.embed_tokens.weight.val(), targets)
    }

    fn untied(mut self) -> Self {
        if self.lm_head.is_none() {
            self.lm_head = Some(untied_head(&self.model.embed_tokens));
            self.config.tie_word_embeddings = false;
        }
        self
    }

    fn biased(mut self) -> Self {
        self.config.attention_bias = true;
        self.config.mlp_bias = true;
        for LlamaDecoderLayer { self_attn, mlp, .. } in &mut self.model.layers {
            let attention =
                [&mut self_attn.q_proj, &mut self_attn.k_proj, &mut self_attn.v_proj, &mut self_attn.o_proj];
            let network = [&mut mlp.gate_proj, &mut mlp.up_proj, &mut mlp.down_proj];
            attention.into_iter().chain(network).for_each(with_zero_bias);
        }
        self
    }

    fn is_in_part(&self, parameter: &str, part: Part) -> bool {
        is_in_part(parameter, part, self.config.tie_word_embeddings)
    }

    fn check_stock(&self, selection: &Selection, target: StockTarget) -> Result<(), Error> {
        self.clone().resized(selection)?.config.check_stock(target)
    }

    fn resized(mut self, selection: &Selection) -> Result<Self, Error> {
        if let Some(residual) = selection.get(Axis::Residual) {
            let kept = residual.kept_len();
            let epsilon = self.config.rms_norm_eps * residual.len() as f64 / kept as f64;
            self.config.hidden_size = kept;
            self.set_epsilon(epsilon);
        }
        let (heads_per_group, config) = (self.config.heads_per_group(), &mut self.config);
        [config.intermediate_size, config.num_key_value_heads, config.num_hidden_layers] =
            resize(&mut config.widths, &mut self.model.layers, selection);
        config.num_attention_heads = config.num_key_value_heads * heads_per_group;
        Ok(self)
    }
}
