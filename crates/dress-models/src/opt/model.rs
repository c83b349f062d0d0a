//! The OPT decoder, composed of the shared modules.

use super::{OptConfig, coupling};
use crate::modules::{
    Activation, Heads, LayerNorm, distilled_head_loss, feed_forward, head_loss, linear, linears, tied_head,
    untied_head, with_zero_bias,
};
use crate::part_of_parameter::is_in_part;
use crate::shape::resize;
use crate::{DeclaredHead, Family};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
use dress_core::{
    Axis, CausalLm, CouplingMap, DistilledLoss, Error, Forward, Part, Role, Selection, Site, StockTarget,
    TaughtLogits,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Rows of the position embedding before position 0.
const POSITION_OFFSET: usize = 2;

/// An OPT language model; parameter paths are those of its checkpoints.
#[derive(Module, Debug)]
pub struct OptForCausalLm {
    /// Everything below the head.
    pub model: OptModel,
    /// The head, where it is not the embedding.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    config: OptConfig,
}

/// The decoder, under the name that OPT's checkpoints have for it.
#[derive(Module, Debug)]
pub struct OptModel {
    /// The decoder.
    pub decoder: OptDecoder,
}

/// Embeddings, layers and final norm.
#[derive(Module, Debug)]
pub struct OptDecoder {
    /// From tokens to the stream, or to what `project_in` takes.
    pub embed_tokens: Embedding,
    /// From positions, two more than there are, to the stream.
    pub embed_positions: Embedding,
    /// From the embedding to the stream, where their widths differ.
    pub project_in: Option<Linear>,
    /// From the stream back to the embedding's width.
    pub project_out: Option<Linear>,
    /// The norm before the head, unless the norms are behind.
    pub final_layer_norm: Option<LayerNorm>,
    /// The layers.
    pub layers: Vec<OptDecoderLayer>,
}

/// One layer: attention, then the feed-forward network, each with a norm before or behind it.
#[derive(Module, Debug)]
pub struct OptDecoderLayer {
    /// The attention.
    pub self_attn: OptAttention,
    /// The norm of the attention.
    pub self_attn_layer_norm: LayerNorm,
    /// From the stream to the neurons.
    pub fc1: Linear,
    /// From the neurons back to the stream.
    pub fc2: Linear,
    /// The norm of the feed-forward network.
    pub final_layer_norm: LayerNorm,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    norm_before: bool,
}

/// Attention without rotation: positions are in the stream.
#[derive(Module, Debug)]
pub struct OptAttention {
    /// From the stream to the keys.
    pub k_proj: Linear,
    /// From the stream to the values.
    pub v_proj: Linear,
    /// From the stream to the queries.
    pub q_proj: Linear,
    /// From the heads back to the stream.
    pub out_proj: Linear,
    #[module(skip)]
    head_dim: usize,
}

impl OptForCausalLm {
    /// A model of this configuration. Weights are drawn from a normal distribution of `init_std` when
    /// first used, and never where a checkpoint fills them.
    ///
    /// # Examples
    /// A configuration makes a model, and tokens go through it:
    ///
    /// ```
    /// use dress_core::burn::tensor::{Device, Int, Tensor};
    /// use dress_core::{CausalLm, Forward, NoTap};
    /// use dress_models::opt::{OptConfig, OptForCausalLm};
    ///
    /// let text = r#"{"model_type":"opt","vocab_size":32,"hidden_size":16,"ffn_dim":24,"num_hidden_layers":2,
    ///     "num_attention_heads":4}"#;
    /// let config = OptConfig::from_json(text, "config.json".as_ref())?;
    /// let model = OptForCausalLm::new(config, &Device::flex());
    /// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
    /// let logits = model.forward(tokens, &mut Forward::new(&mut NoTap));
    /// assert_eq!(logits.dims(), [1, 3, 32]);
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn new(config: OptConfig, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.init_std };
        let embedding = |rows, width| {
            EmbeddingConfig::new(rows, width).with_initializer(initializer.clone()).init(device)
        };
        let linear = |input, output| {
            let linear = LinearConfig::new(input, output).with_bias(false);
            linear.with_initializer(initializer.clone()).init(device)
        };
        let (width, embedded) = (config.hidden_size, config.word_embed_proj_dim);
        let norm = || LayerNorm::new(width, OptConfig::LAYER_NORM_EPS, device);
        let decoder = OptDecoder {
            embed_tokens: embedding(config.vocab_size, embedded),
            embed_positions: embedding(config.max_position_embeddings + POSITION_OFFSET, width),
            project_in: config.has_projections().then(|| linear(embedded, width)),
            project_out: config.has_projections().then(|| linear(width, embedded)),
            final_layer_norm: config.final_layer_norm.then(norm),
            layers: (0..config.num_hidden_layers)
                .map(|layer| OptDecoderLayer::new(&config, layer, device))
                .collect(),
        };
        let lm_head = (!config.tie_word_embeddings).then(|| linear(embedded, config.vocab_size));
        Self { model: OptModel { decoder }, lm_head, config }
    }

    /// The configuration, as it is after slicing.
    pub fn config(&self) -> &OptConfig {
        &self.config
    }
}

impl OptDecoderLayer {
    fn new(config: &OptConfig, layer: usize, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.init_std };
        let linear = |input, output| {
            let linear = LinearConfig::new(input, output).with_bias(config.enable_bias);
            linear.with_initializer(initializer.clone()).init(device)
        };
        let (width, heads) = (config.hidden_size, config.widths.heads(layer) * config.head_dim);
        let norm = || LayerNorm::new(width, OptConfig::LAYER_NORM_EPS, device);
        Self {
            self_attn: OptAttention {
                k_proj: linear(width, heads),
                v_proj: linear(width, heads),
                q_proj: linear(width, heads),
                out_proj: linear(heads, width),
                head_dim: config.head_dim,
            },
            self_attn_layer_norm: norm(),
            fc1: linear(width, config.widths.ffn(layer)),
            fc2: linear(config.widths.ffn(layer), width),
            final_layer_norm: norm(),
            activation: config.activation,
            norm_before: config.do_layer_norm_before,
        }
    }

    fn forward(&self, hidden: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let attend = |input, pass: &mut Forward<'_>| {
            let input = pass.pass(Site::AttentionInput { layer }, input);
            self.self_attn.forward(input, layer, pass)
        };
        let feed = |input, pass: &mut Forward<'_>| {
            let input = pass.pass(Site::FfnInput { layer }, input);
            feed_forward([&self.fc1, &self.fc2], self.activation, input, layer, pass)
        };
        let (first, second) = (&self.self_attn_layer_norm, &self.final_layer_norm);
        if self.norm_before {
            let hidden = hidden.clone() + attend(first.forward(hidden), pass);
            hidden.clone() + feed(second.forward(hidden), pass)
        } else {
            let hidden = first.forward(hidden.clone() + attend(hidden, pass));
            second.forward(hidden.clone() + feed(hidden, pass))
        }
    }
}

impl OptForCausalLm {
    /// What the last product makes logits of.
    fn head_input(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let decoder = &self.model.decoder;
        let normal = decoder.final_layer_norm.as_ref().map(|norm| norm.forward(hidden.clone()));
        let hidden = pass.pass(Site::HeadInput, normal.unwrap_or(hidden));
        match &decoder.project_out {
            Some(project_out) => linear(project_out, hidden),
            None => hidden,
        }
    }
}

impl OptAttention {
    fn forward(&self, input: Tensor<3>, layer: usize, pass: &mut Forward<'_>) -> Tensor<3> {
        let heads = Heads { head_dim: self.head_dim, ..Heads::default() };
        let states = linears([&self.q_proj, &self.k_proj, &self.v_proj], input);
        linear(&self.out_proj, heads.mix(states, layer, pass))
    }
}

impl NamedParameters for OptForCausalLm {
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
        Layout::of_burn(place)
    }
}

impl Family for OptForCausalLm {
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, crate::Error> {
        Ok(Self::new(OptConfig::from_json(text, path)?, device))
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        self.config.to_json(torch_dtype)
    }

    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        DeclaredHead::by_key(config, true)
    }
}

impl CausalLm for OptForCausalLm {
    fn architecture(&self) -> &str {
        "OPTForCausalLM"
    }

    fn num_layers(&self) -> usize {
        self.model.decoder.layers.len()
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

    fn embed(&self, tokens: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<3> {
        let decoder = &self.model.decoder;
        let start = pass.offset() + POSITION_OFFSET;
        let positions = decoder.embed_positions.weight.val().narrow(0, start, tokens.dims()[1]);
        let embedded = decoder.embed_tokens.forward(tokens);
        let embedded = match &decoder.project_in {
            Some(project_in) => linear(project_in, embedded),
            None => embedded,
        };
        embedded + positions.unsqueeze()
    }

    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.model.decoder.layers[index].forward(hidden, index, pass)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = self.head_input(hidden, pass);
        match &self.lm_head {
            Some(head) => linear(head, hidden),
            None => tied_head(hidden, self.model.decoder.embed_tokens.weight.val()),
        }
    }

    fn head_loss(&self, hidden: Tensor<3>, targets: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        let (input, embedding) = (self.head_input(hidden, pass), &self.model.decoder.embed_tokens);
        head_loss(input, self.lm_head.as_ref(), || embedding.weight.val(), targets)
    }

    fn distilled_head_loss(
        &self,
        hidden: Tensor<3>,
        targets: Tensor<2, Int>,
        taught: &TaughtLogits,
        pass: &mut Forward<'_>,
    ) -> DistilledLoss {
        let (input, embedding) = (self.head_input(hidden, pass), &self.model.decoder.embed_tokens);
        distilled_head_loss(input, self.lm_head.as_ref(), || embedding.weight.val(), targets, taught)
    }

    fn untied(mut self) -> Self {
        // Behind the projections the embedding is not on the stream.
        if self.lm_head.is_none() && !self.config.has_projections() {
            self.lm_head = Some(untied_head(&self.model.decoder.embed_tokens));
            self.config.tie_word_embeddings = false;
        }
        self
    }

    fn biased(mut self) -> Self {
        self.config.enable_bias = true;
        for OptDecoderLayer { self_attn, fc1, fc2, .. } in &mut self.model.decoder.layers {
            let OptAttention { k_proj, v_proj, q_proj, out_proj, .. } = self_attn;
            [k_proj, v_proj, q_proj, out_proj, fc1, fc2].into_iter().for_each(with_zero_bias);
        }
        self
    }

    fn is_in_part(&self, parameter: &str, part: Part) -> bool {
        is_in_part(parameter, part, self.config.tie_word_embeddings)
    }

    fn check_stock(&self, selection: &Selection, target: StockTarget) -> Result<(), Error> {
        let sliced = self.clone().resized(selection)?;
        if self.config.has_projections() && !sliced.config.has_projections() {
            return Err(Error::Shape {
                architecture: self.architecture().into(),
                reason: format!(
                    "hidden_size {} is word_embed_proj_dim, at which OPT leaves out project_in and \
                     project_out; choose another width, such as {}",
                    sliced.config.hidden_size,
                    sliced.config.hidden_size + sliced.config.head_dim
                ),
            });
        }
        sliced.config.check_stock(target)
    }

    /// OPT's epsilon is not in its `config.json`. A stream times `sqrt(d' / d)` does to the norms what the
    /// epsilon of [E2](dress_core::identities#e2) would; a head that is the embedding is made up for by the
    /// norm before it.
    fn slice_factors(&self, selection: &Selection) -> BTreeMap<String, f64> {
        let mut factors = BTreeMap::new();
        let factor = self.stream_factor(selection);
        if factor == 1.0 {
            return factors;
        }
        let map = self.coupling();
        let slots = map.axis(Axis::Residual).map(|axis| axis.slots.as_slice()).unwrap_or_default();
        for slot in slots.iter().filter(|slot| slot.role == Role::Writes) {
            factors.insert(slot.parameter.clone(), factor);
            if slot.tied {
                for part in ["weight", "bias"] {
                    factors.insert(format!("model.decoder.final_layer_norm.{part}"), 1.0 / factor);
                }
            }
        }
        factors
    }

    fn stream_factor(&self, selection: &Selection) -> f64 {
        // Without the norm before the head, the logits would grow with the stream.
        let residual = selection.get(Axis::Residual).filter(|_| self.config.final_layer_norm);
        residual.map_or(1.0, |chosen| (chosen.kept_len() as f64 / chosen.len() as f64).sqrt())
    }

    fn resized(mut self, selection: &Selection) -> Result<Self, Error> {
        if let Some(residual) = selection.get(Axis::Residual) {
            if !self.config.has_projections() {
                self.config.word_embed_proj_dim = residual.kept_len();
            }
            self.config.hidden_size = residual.kept_len();
        }
        let config = &mut self.config;
        [config.ffn_dim, config.num_attention_heads, config.num_hidden_layers] =
            resize(&mut config.widths, &mut self.model.decoder.layers, selection);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::{Calibration, NoTap};
    use std::path::Path;

    #[test]
    fn biases_of_zero_change_no_logit_and_are_in_the_config() {
        let text = r#"{"vocab_size":9,"hidden_size":8,"ffn_dim":12,"num_hidden_layers":2,"num_attention_heads":2,
            "enable_bias":false}"#;
        let read = |text: &str| OptConfig::from_json(text, Path::new("config.json")).unwrap();
        let model = OptForCausalLm::new(read(text), &Device::flex());
        let biased = model.clone().biased();
        let tokens = || Calibration::tensor(&[vec![1, 2, 3]], &Device::flex());
        let logits =
            |model: &OptForCausalLm| model.forward(tokens(), &mut Forward::new(&mut NoTap)).into_data();
        logits(&biased).assert_eq(&logits(&model), true);
        let again = OptForCausalLm::new(read(&biased.config.to_json("float32")), &Device::flex());
        let shapes = |model: &OptForCausalLm| -> Vec<_> {
            let all = dress_core::parameters::list(model).into_iter();
            all.map(|parameter| (parameter.name, parameter.shape)).collect()
        };
        assert_eq!(shapes(&again), shapes(&biased));
        assert_eq!(shapes(&biased).len(), shapes(&model).len() + 2 * 6);
    }
}
