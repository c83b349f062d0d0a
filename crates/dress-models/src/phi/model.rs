//! The Phi decoder, composed of the shared modules.

use super::{Phi, PhiConfig};
use crate::layer_norm_decoder::LayerNormFamily;
use crate::modules::{Heads, LayerNorm, Mlp, Rotary, linear, linears};
use crate::part_of_parameter::is_in_part;
use crate::{DeclaredHead, Family};
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
use dress_core::{CausalLm, CouplingMap, Error, Forward, Part, Selection, Site, StockTarget};
use serde_json::{Map, Value};
use std::path::Path;

/// A Phi language model; parameter paths are those of its checkpoints.
#[derive(Module, Debug)]
pub struct PhiForCausalLm {
    /// Everything below the head.
    pub model: PhiModel,
    /// The head, with a bias.
    pub lm_head: Linear,
    #[module(skip)]
    config: PhiConfig,
}

/// Embedding, layers and final norm.
#[derive(Module, Debug)]
pub struct PhiModel {
    /// From tokens to the stream.
    pub embed_tokens: Embedding,
    /// The layers.
    pub layers: Vec<PhiDecoderLayer>,
    /// The norm before the head.
    pub final_layernorm: LayerNorm,
}

/// One layer: attention and feed-forward network side by side, behind one norm.
#[derive(Module, Debug)]
pub struct PhiDecoderLayer {
    /// The norm before both.
    pub input_layernorm: LayerNorm,
    /// The attention.
    pub self_attn: PhiAttention,
    /// The feed-forward network.
    pub mlp: Mlp,
}

/// Attention with partial rotation and biases.
#[derive(Module, Debug)]
pub struct PhiAttention {
    /// From the stream to the queries.
    pub q_proj: Linear,
    /// From the stream to the keys.
    pub k_proj: Linear,
    /// From the stream to the values.
    pub v_proj: Linear,
    /// From the heads back to the stream.
    pub dense: Linear,
    #[module(skip)]
    head_dim: usize,
    #[module(skip)]
    rotary: Rotary,
}

impl PhiForCausalLm {
    /// A model of this configuration. Weights are drawn from a normal distribution of
    /// `initializer_range` when first used, and never where a checkpoint fills them.
    ///
    /// # Examples
    /// A configuration makes a model, and tokens go through it:
    ///
    /// ```
    /// use dress_core::burn::tensor::{Device, Int, Tensor};
    /// use dress_core::{CausalLm, Forward, NoTap};
    /// use dress_models::phi::{PhiConfig, PhiForCausalLm};
    ///
    /// let text = r#"{"model_type":"phi","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    ///     "num_attention_heads":4,"partial_rotary_factor":0.5}"#;
    /// let config = PhiConfig::from_json(text, "config.json".as_ref())?;
    /// let model = PhiForCausalLm::new(config, &Device::flex());
    /// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
    /// let logits = model.forward(tokens, &mut Forward::new(&mut NoTap));
    /// assert_eq!(logits.dims(), [1, 3, 32]);
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn new(config: PhiConfig, device: &Device) -> Self {
        let layers = (0..config.num_hidden_layers).map(|layer| PhiDecoderLayer::new(&config, layer, device));
        let model = PhiModel {
            embed_tokens: config.embedding(device),
            layers: layers.collect(),
            final_layernorm: config.norm(device),
        };
        let lm_head = config.linear(config.hidden_size, config.vocab_size, true, device);
        Self { model, lm_head, config }
    }

    /// The configuration, as it is after slicing.
    pub fn config(&self) -> &PhiConfig {
        &self.config
    }
}

impl PhiDecoderLayer {
    fn new(config: &PhiConfig, layer: usize, device: &Device) -> Self {
        let linear = |input, output| config.linear(input, output, true, device);
        let (width, neurons) = (config.hidden_size, config.widths.ffn(layer));
        let keys = config.widths.heads(layer) * config.head_dim;
        let queries = keys * config.heads_per_group();
        Self {
            input_layernorm: config.norm(device),
            self_attn: PhiAttention {
                q_proj: linear(width, queries),
                k_proj: linear(width, keys),
                v_proj: linear(width, keys),
                dense: linear(queries, width),
                head_dim: config.head_dim,
                rotary: config.rotary(),
            },
            mlp: Mlp::new(width, neurons, config.activation, &config.initializer(), device),
        }
    }

    fn forward(&self, hidden: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let normal = self.input_layernorm.forward(hidden.clone());
        let input = pass.pass(Site::AttentionInput { layer }, normal.clone());
        let attended = self.self_attn.forward(input, layer, pass);
        let input = pass.pass(Site::FfnInput { layer }, normal);
        attended + self.mlp.forward(input, layer, pass) + hidden
    }
}

impl PhiAttention {
    fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let heads = Heads { head_dim: self.head_dim, rotary: Some(&self.rotary), ..Heads::default() };
        let states = linears([&self.q_proj, &self.k_proj, &self.v_proj], input);
        linear(&self.dense, heads.mix(states, layer, pass))
    }
}

impl NamedParameters for PhiForCausalLm {
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
        Layout::of_burn(place)
    }
}

impl Family for PhiForCausalLm {
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, crate::Error> {
        Ok(Self::new(PhiConfig::from_json(text, path)?, device))
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        self.config.to_json(torch_dtype)
    }

    /// Phi's head has a bias and is built with weights of its own alone.
    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        DeclaredHead::by_key_of_own(config)
    }
}

impl CausalLm for PhiForCausalLm {
    fn architecture(&self) -> &str {
        Phi::ARCHITECTURE
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
        self.config.coupling()
    }

    fn embed(&self, tokens: Tensor<2, Int>, _pass: &mut Forward<'_>) -> Tensor<3> {
        self.model.embed_tokens.forward(tokens)
    }

    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.model.layers[index].forward(hidden, index, pass)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = self.model.final_layernorm.forward(hidden);
        linear(&self.lm_head, pass.pass(Site::HeadInput, hidden))
    }

    fn is_in_part(&self, parameter: &str, part: Part) -> bool {
        is_in_part(parameter, part, false)
    }

    fn check_stock(&self, selection: &Selection, target: StockTarget) -> Result<(), Error> {
        self.clone().resized(selection)?.config.check_stock(target)
    }

    fn resized(mut self, selection: &Selection) -> Result<Self, Error> {
        self.config.resize(&mut self.model.layers, selection);
        let epsilon = self.config.layer_norm_eps;
        self.model.final_layernorm.set_epsilon(epsilon);
        self.model.layers.iter_mut().for_each(|layer| layer.input_layernorm.set_epsilon(epsilon));
        Ok(self)
    }
}
