//! The decoder, composed of the shared modules.

use super::{DecoderConfig, DecoderLayer, FamilyRules, coupling, slice_factors};
use crate::modules::{RmsNorm, distilled_head_loss, head_loss, linear, tied_head, untied_head};
use crate::part_of_parameter::is_in_part;
use crate::shape::{kept_layers, resize};
use crate::{DeclaredHead, Family, FusedTensor};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor};
use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
use dress_core::{
    Axis, CausalLm, CouplingMap, DistilledLoss, Error, Forward, Part, Selection, Site, StockTarget,
    TaughtLogits, distilled_loss_of_logits, loss_of_logits,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// A language model of any family of this decoder; parameter paths are those of its checkpoints.
#[derive(Module, Debug)]
pub struct DecoderForCausalLm {
    /// Everything below the head.
    pub model: DecoderModel,
    /// The head, where it is not the embedding.
    pub lm_head: Option<Linear>,
    #[module(skip)]
    config: DecoderConfig,
}

/// Embedding, layers and final norm.
#[derive(Module, Debug)]
pub struct DecoderModel {
    /// From tokens to the stream.
    pub embed_tokens: Embedding,
    /// The layers.
    pub layers: Vec<DecoderLayer>,
    /// The norm before the head.
    pub norm: RmsNorm,
}

impl DecoderForCausalLm {
    /// A model of this configuration. Weights are drawn from a normal distribution of
    /// `initializer_range` when first used, and never where a checkpoint fills them.
    ///
    /// # Examples
    /// A configuration makes a model, and tokens go through it:
    ///
    /// ```
    /// use dress_core::burn::tensor::{Device, Int, Tensor};
    /// use dress_core::{CausalLm, Forward, NoTap};
    /// use dress_models::decoder::{DecoderConfig, DecoderForCausalLm};
    ///
    /// let text = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    ///     "num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":true}"#;
    /// let config = DecoderConfig::from_json(text, "config.json".as_ref())?;
    /// let model = DecoderForCausalLm::new(config, &Device::flex());
    /// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
    /// let logits = model.forward(tokens, &mut Forward::new(&mut NoTap));
    /// assert_eq!(logits.dims(), [1, 3, 32]);
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn new(config: DecoderConfig, device: &Device) -> Self {
        let initializer = Initializer::Normal { mean: 0.0, std: config.initializer_range };
        let embedding = EmbeddingConfig::new(config.vocab_size, config.hidden_size);
        let head = LinearConfig::new(config.hidden_size, config.vocab_size).with_bias(false);
        let layers = (0..config.num_hidden_layers).map(|layer| DecoderLayer::new(&config, layer, device));
        let model = DecoderModel {
            embed_tokens: embedding.with_initializer(initializer.clone()).init(device),
            layers: layers.collect(),
            norm: config.norm(device),
        };
        let untied = !config.tie_word_embeddings;
        Self { model, lm_head: untied.then(|| head.with_initializer(initializer).init(device)), config }
    }

    /// The configuration, as it is after slicing.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// What the last product makes logits of.
    fn head_input(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let input = pass.pass(Site::HeadInput, self.model.norm.forward(hidden));
        multiplied(input, self.config.multipliers.logits)
    }

    fn set_epsilon(&mut self, epsilon: f64) {
        self.config.rms_norm_eps = epsilon;
        self.model.norm.set_epsilon(epsilon);
        self.model.layers.iter_mut().for_each(|layer| layer.set_epsilon(epsilon));
    }
}

fn multiplied(states: Tensor<3>, multiplier: f64) -> Tensor<3> {
    if multiplier == 1.0 { states } else { states * multiplier }
}

impl NamedParameters for DecoderForCausalLm {
    fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
        Layout::of_burn(place)
    }
}

impl Family for DecoderForCausalLm {
    fn from_config(text: &str, path: &Path, device: &Device) -> Result<Self, crate::Error> {
        Ok(Self::new(DecoderConfig::from_json(text, path)?, device))
    }

    fn config_json(&self, torch_dtype: &str) -> String {
        self.config.to_json(torch_dtype)
    }

    fn fused(&self) -> Vec<FusedTensor> {
        self.config.fused()
    }

    fn declared_head(config: &Map<String, Value>) -> DeclaredHead {
        let family = config.get("model_type").and_then(Value::as_str).and_then(FamilyRules::of);
        DeclaredHead::by_key(config, family.is_some_and(|rules| rules.defaults.tied))
    }
}

impl CausalLm for DecoderForCausalLm {
    fn architecture(&self) -> &str {
        self.config.family.architecture
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
        multiplied(self.model.embed_tokens.forward(tokens), self.config.embedding_multiplier())
    }

    fn layer(&self, index: usize, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        self.model.layers[index].forward(hidden, index, pass)
    }

    fn head(&self, hidden: Tensor<3>, pass: &mut Forward<'_>) -> Tensor<3> {
        let hidden = self.head_input(hidden, pass);
        let logits = match &self.lm_head {
            Some(head) => linear(head, hidden),
            None => tied_head(hidden, self.model.embed_tokens.weight.val()),
        };
        match self.config.soft_caps.logits {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    fn head_loss(&self, hidden: Tensor<3>, targets: Tensor<2, Int>, pass: &mut Forward<'_>) -> Tensor<1> {
        if self.config.soft_caps.logits.is_some() {
            return loss_of_logits(self.head(hidden, pass), targets);
        }
        let input = self.head_input(hidden, pass);
        head_loss(input, self.lm_head.as_ref(), || self.model.embed_tokens.weight.val(), targets)
    }

    fn distilled_head_loss(
        &self,
        hidden: Tensor<3>,
        targets: Tensor<2, Int>,
        taught: &TaughtLogits,
        pass: &mut Forward<'_>,
    ) -> DistilledLoss {
        if self.config.soft_caps.logits.is_some() {
            return distilled_loss_of_logits(self.head(hidden, pass), targets, taught);
        }
        let input = self.head_input(hidden, pass);
        let embedding = || self.model.embed_tokens.weight.val();
        distilled_head_loss(input, self.lm_head.as_ref(), embedding, targets, taught)
    }

    fn untied(mut self) -> Self {
        if self.lm_head.is_none() {
            self.lm_head = Some(untied_head(&self.model.embed_tokens));
            self.config.tie_word_embeddings = false;
        }
        self
    }

    fn biased(mut self) -> Self {
        let biases = self.config.biases.or(self.config.family.can_have);
        self.config.biases = biases;
        self.model.layers.iter_mut().for_each(|layer| layer.add_biases(biases));
        self
    }

    fn slice_factors(&self, selection: &Selection) -> BTreeMap<String, f64> {
        slice_factors::slice_factors(&self.config, selection)
    }

    fn stream_factor(&self, selection: &Selection) -> f64 {
        slice_factors::of_stream(&self.config, selection)
    }

    fn outgrows_cache(&self, cached: usize, total: usize) -> bool {
        let Some(long_rope) = &self.config.long_rope else { return false };
        let longest = long_rope.original_max_position_embeddings;
        (1..=longest).contains(&cached) && total > longest
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
            // Of a stream that gets shorter with the root of the width the mean square stays.
            if !self.config.family.scales_embedding {
                self.set_epsilon(epsilon);
            }
        }
        let (heads_per_group, config) = (self.config.heads_per_group(), &mut self.config);
        config.windows = kept_layers(std::mem::take(&mut config.windows), selection);
        config.rotates = kept_layers(std::mem::take(&mut config.rotates), selection);
        [config.intermediate_size, config.num_key_value_heads, config.num_hidden_layers] =
            resize(&mut config.widths, &mut self.model.layers, selection);
        config.num_attention_heads = config.num_key_value_heads * heads_per_group;
        Ok(self)
    }
}
