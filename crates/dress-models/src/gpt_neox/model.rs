//! The GPT-NeoX decoder, composed of the shared modules.

use super::{GptNeox, GptNeoxConfig};
use crate::layer_norm_decoder::LayerNormFamily;
use crate::modules::{
    Activation, Heads, LayerNorm, Rotary, feed_forward, head_by_head, linear, with_zero_bias,
};
use crate::part_of_parameter::is_in_part;
use crate::{DeclaredHead, Family};
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
use dress_core::{CausalLm, CouplingMap, Error, Forward, Part, Selection, Site, StockTarget};
use serde_json::{Map, Value};
use std::path::Path;

/// A GPT-NeoX language model; parameter paths are those of its checkpoints.
#[derive(Module, Debug)]
pub struct GptNeoxForCausalLm {
    /// Everything below the head.
    pub gpt_neox: GptNeoxModel,
    /// The head.
    pub embed_out: Linear,
    #[module(skip)]
    config: GptNeoxConfig,
}

/// Embedding, layers and final norm.
#[derive(Module, Debug)]
pub struct GptNeoxModel {
    /// From tokens to the stream.
    pub embed_in: Embedding,
    /// The layers.
    pub layers: Vec<GptNeoxLayer>,
    /// The norm before the head.
    pub final_layer_norm: LayerNorm,
}

/// One layer, with a norm for the attention and one for the feed-forward network.
#[derive(Module, Debug)]
pub struct GptNeoxLayer {
    /// The norm before the attention.
    pub input_layernorm: LayerNorm,
    /// The norm before the feed-forward network.
    pub post_attention_layernorm: LayerNorm,
    /// The attention.
    pub attention: GptNeoxAttention,
    /// The feed-forward network.
    pub mlp: GptNeoxMlp,
    #[module(skip)]
    side_by_side: bool,
}

/// Attention with partial rotation, its three projections in one.
#[derive(Module, Debug)]
pub struct GptNeoxAttention {
    /// From the stream to the query, the key and the value of each head, one head behind the other.
    pub query_key_value: Linear,
    /// From the heads back to the stream.
    pub dense: Linear,
    #[module(skip)]
    head_dim: usize,
    #[module(skip)]
    rotary: Rotary,
}

/// `dense_4h_to_h(activation(dense_h_to_4h(x)))`.
#[derive(Module, Debug)]
pub struct GptNeoxMlp {
    /// From the stream to the neurons.
    pub dense_h_to_4h: Linear,
    /// From the neurons back to the stream.
    pub dense_4h_to_h: Linear,
    #[module(skip)]
    activation: Activation,
}

impl GptNeoxForCausalLm {
    /// A model of this configuration. Weights are drawn from a normal distribution of
    /// `initializer_range` when first used, and never where a checkpoint fills them.
    ///
    /// # Examples
    /// A configuration makes a model, and tokens go through it:
    ///
    /// ```
    /// use dress_core::burn::tensor::{Device, Int, Tensor};
    /// use dress_core::{CausalLm, Forward, NoTap};
    /// use dress_models::gpt_neox::{GptNeoxConfig, GptNeoxForCausalLm};
    ///
    /// let text = r#"{"model_type":"gpt_neox","vocab_size":32,"hidden_size":16,"intermediate_size":24,
    ///     "num_hidden_layers":2,"num_attention_heads":2}"#;
    /// let config = GptNeoxConfig::from_json(text, "config.json".as_ref())?;
    /// let model = GptNeoxForCausalLm::new(config, &Device::flex());
    /// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
    /// let logits = model.forward(tokens, &mut Forward::new(&mut NoTap));
    /// assert_eq!(logits.dims(), [1, 3, 32]);
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn new(config: GptNeoxConfig, device: &Device) -> Self {
        let layers = (0..config.num_hidden_layers).map(|layer| GptNeoxLayer::new(&config, layer, device));
        let gpt_neox = GptNeoxModel {
            embed_in: config.embedding(device),
            layers: layers.collect(),
            final_layer_norm: config.norm(device),
        };
        let embed_out = config.linear(config.hidden_size, config.vocab_size, false, device);
        Self { gpt_neox, embed_out, config }
    }

    /// The configuration, as it is after slicing.
    pub fn config(&self) -> &GptNeoxConfig {
        &self.config
    }
}

impl GptNeoxLayer {
    fn new(config: &GptNeoxConfig, layer: usize, device: &Device) -> Self {
        let linear = |input, output, bias| config.linear(input, output, bias, device);
        let (width, neurons) = (config.hidden_size, config.widths.ffn(layer));
        let heads = config.widths.heads(layer) * config.head_dim;
        Self {
            input_layernorm: config.norm(device),
            post_attention_layernorm: config.norm(device),
            attention: GptNeoxAttention {
                query_key_value: linear(width, 3 * heads, config.attention_bias),
                dense: linear(heads, width, config.attention_bias),
                head_dim: config.head_dim,
                rotary: config.rotary(),
            },
            mlp: GptNeoxMlp {
                dense_h_to_4h: linear(width, neurons, true),
                dense_4h_to_h: linear(neurons, width, true),
                activation: config.activation,
            },
            side_by_side: config.use_parallel_residual,
        }
    }

    fn forward(&self, hidden: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let normal = self.input_layernorm.forward(hidden.clone());
        let input = pass.pass(Site::AttentionInput { layer }, normal);
        let behind = self.attention.forward(input, layer, pass) + hidden.clone();
        let read = if self.side_by_side { hidden } else { behind.clone() };
        let normal = self.post_attention_layernorm.forward(read);
        let input = pass.pass(Site::FfnInput { layer }, normal);
        self.mlp.forward(input, layer, pass) + behind
    }
}

impl GptNeoxAttention {
    fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let heads = Heads { head_dim: self.head_dim, rotary: Some(&self.rotary), ..Heads::default() };
        let states = head_by_head(linear(&self.query_key_value, input), self.head_dim);
        linear(&self.dense, heads.mix(states, layer, pass))
    }
}

impl GptNeoxMlp {
    fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        feed_forward([&self.dense_h_to_4h, &self.dense_4h_to_h], self.activation, input, layer, pass)
    }
}

impl NamedParameters for GptNeoxForCausalLm {
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
        Layout::of_burn(place)
    }
}

impl Family for GptNeoxForCausalLm {
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, crate::Error> {
        Ok(Self::new(GptNeoxConfig::from_json(text, path)?, device))
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        self.config.to_json(torch_dtype)
    }

    /// The head is built with weights of its own alone.
    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        DeclaredHead::by_key_of_own(config)
    }
}

impl CausalLm for GptNeoxForCausalLm {
    fn architecture(&self) -> &str {
        GptNeox::ARCHITECTURE
    }

    fn num_layers(&self) -> usize {
        self.gpt_neox.layers.len()
    }

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn max_positions(&self) -> usize {
        self.config.max_position_embeddings
    }

    fn coupling(&self) -> CouplingMap {
        self.config.coupling()
    }

    fn embed(&self, tokens: Tensor<2, Int>, _pass: &mut Forward<'_>) -> Tensor<3> {
        self.gpt_neox.embed_in.forward(tokens)
    }

    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.gpt_neox.layers[index].forward(hidden, index, pass)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = self.gpt_neox.final_layer_norm.forward(hidden);
        linear(&self.embed_out, pass.pass(Site::HeadInput, hidden))
    }

    fn biased(mut self) -> Self {
        self.config.attention_bias = true;
        for layer in &mut self.gpt_neox.layers {
            let GptNeoxAttention { query_key_value, dense, .. } = &mut layer.attention;
            [query_key_value, dense].into_iter().for_each(with_zero_bias);
        }
        self
    }

    fn is_in_part(&self, parameter: &str, part: Part) -> bool {
        is_in_part(parameter, part, false)
    }

    fn check_stock(&self, selection: &Selection, target: StockTarget) -> Result<(), Error> {
        self.clone().resized(selection)?.config.check_stock(target)
    }

    fn resized(mut self, selection: &Selection) -> Result<Self, Error> {
        self.config.resize(&mut self.gpt_neox.layers, selection);
        let epsilon = self.config.layer_norm_eps;
        self.gpt_neox.final_layer_norm.set_epsilon(epsilon);
        for layer in &mut self.gpt_neox.layers {
            layer.input_layernorm.set_epsilon(epsilon);
            layer.post_attention_layernorm.set_epsilon(epsilon);
        }
        Ok(self)
    }
}
