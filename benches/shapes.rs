//! Models of real shapes.

use crate::Ceiling;
use dress_core::burn::tensor::Device;
use dress_core::{Axis, AxisKind, AxisSelection, Calibration, CausalLm, Selection};
use dress_eval::Size;
use dress_models::AnyModel;
use serde_json::{Value, json};
use std::path::Path;

/// A published model's shape, or that of one layer of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// SmolLM2-135M, whole.
    SmolLm2,
    /// OPT-125M, whole.
    Opt125M,
    /// One layer of Phi-2, with a small vocabulary.
    Phi2Layer,
    /// One layer of LLaMA-2-7B, with a small vocabulary.
    Llama2Layer,
    /// One layer of LLaMA-3-8B, with a small vocabulary.
    Llama3Layer,
}

/// So few tokens that a layer is measured and not its embeddings.
const SMALL_VOCABULARY: usize = 2048;

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SmolLm2, Self::Opt125M, Self::Phi2Layer, Self::Llama2Layer, Self::Llama3Layer];

    /// For the names of benchmarks.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmolLm2 => "smollm2-135m",
            Self::Opt125M => "opt-125m",
            Self::Phi2Layer => "phi-2-layer",
            Self::Llama2Layer => "llama-2-7b-layer",
            Self::Llama3Layer => "llama-3-8b-layer",
        }
    }

    /// Multiply-adds of a plain product of its greatest sizes, for `tokens` tokens.
    pub fn product(self, device: &Device, tokens: usize) -> Ceiling<'static> {
        let [width, neurons] = self.widths();
        Ceiling::product(device, [tokens, width, neurons])
    }

    /// Width of the residual stream and of the feed-forward network.
    fn widths(self) -> [usize; 2] {
        match self {
            Self::SmolLm2 => [576, 1536],
            Self::Opt125M => [768, 3072],
            Self::Phi2Layer => [2560, 10240],
            Self::Llama2Layer => [4096, 11008],
            Self::Llama3Layer => [4096, 14336],
        }
    }

    /// The model with random weights.
    pub fn model(self, device: &Device) -> AnyModel {
        of_config(&self.config(), device)
    }

    fn config(self) -> Value {
        match self {
            Self::SmolLm2 => json!({
                "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
                "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
                "rope_theta": 100000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
                "max_position_embeddings": 8192,
            }),
            Self::Opt125M => json!({
                "model_type": "opt", "vocab_size": 50272, "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12,
                "num_attention_heads": 12, "word_embed_proj_dim": 768, "max_position_embeddings": 2048,
            }),
            Self::Phi2Layer => json!({
                "model_type": "phi", "vocab_size": SMALL_VOCABULARY, "hidden_size": 2560, "intermediate_size": 10240,
                "num_hidden_layers": 1, "num_attention_heads": 32, "partial_rotary_factor": 0.4,
                "max_position_embeddings": 2048,
            }),
            Self::Llama2Layer => json!({
                "model_type": "llama", "vocab_size": SMALL_VOCABULARY, "hidden_size": 4096, "intermediate_size": 11008,
                "num_hidden_layers": 1, "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128,
                "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "max_position_embeddings": 4096,
            }),
            Self::Llama3Layer => json!({
                "model_type": "llama", "vocab_size": SMALL_VOCABULARY, "hidden_size": 4096, "intermediate_size": 14336,
                "num_hidden_layers": 1, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
                "rope_theta": 500000.0, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
                "max_position_embeddings": 8192,
            }),
        }
    }
}

/// The first `layers` layers of LLaMA-3-8B between its whole embedding and head, with random weights.
pub fn llama3_8b(layers: usize, device: &Device) -> AnyModel {
    let mut config = Shape::Llama3Layer.config();
    config["vocab_size"] = 128_256.into();
    config["num_hidden_layers"] = layers.into();
    config["tie_word_embeddings"] = false.into();
    of_config(&config, device)
}

fn of_config(config: &Value, device: &Device) -> AnyModel {
    AnyModel::from_config(&config.to_string(), Path::new("config.json"), device).expect("the config is valid")
}

/// Multiply-adds of a forward pass over `blocks` texts of `len` tokens, all logits made.
pub fn forward_macs(model: &AnyModel, blocks: usize, len: usize) -> u64 {
    (blocks * len) as u64 * Size::of(model).macs_at(len / 2)
}

/// The last `percent` of the residual width go, as after a permutation.
pub fn narrower<M: CausalLm>(model: &M, percent: usize) -> Selection {
    without(model, AxisKind::Residual, percent)
}

/// The last `percent` of every axis of that kind go, rounded to whole structures.
pub fn without<M: CausalLm>(model: &M, kind: AxisKind, percent: usize) -> Selection {
    let map = model.coupling();
    let axes = map.of_kind(kind).expect("every model here has it");
    axes.into_iter().fold(Selection::new(), |selection, axis| {
        let len = map.axis(axis).expect("the map named it").len;
        let gone = (len * percent + 50) / 100;
        selection.with(axis, AxisSelection::new(len, (len - gone..len).collect()).expect("it is in range"))
    })
}

/// A model of the shape that `selection` leaves, with random weights.
pub fn resized(model: &AnyModel, selection: &Selection) -> AnyModel {
    let config = model.clone().resized(selection).expect("the shape is legal").config_json("float32");
    AnyModel::from_config(&config, Path::new("config.json"), &model.device()).expect("the config is valid")
}

/// `percent` of the residual width go, from everywhere.
pub fn scattered<M: CausalLm>(model: &M, percent: usize) -> Selection {
    let len = width(model);
    let mut spread: Vec<usize> = (0..len).collect();
    spread.sort_by_key(|index| index * 2_654_435_761 % 4_294_967_291);
    let mut removed = spread[..len * percent / 100].to_vec();
    removed.sort_unstable();
    Selection::new().with(Axis::Residual, AxisSelection::new(len, removed).expect("the indices are in range"))
}

fn width<M: CausalLm>(model: &M) -> usize {
    model.coupling().axis(Axis::Residual).expect("every model here has it").len
}

/// Token ids below `vocab_size`, spread out.
pub fn tokens(blocks: usize, len: usize, vocab_size: usize) -> Calibration {
    let token = |i: usize| (i * 7919 % vocab_size) as u32;
    let block = |block: usize| (block * len..(block + 1) * len).map(token).collect();
    Calibration::from_blocks((0..blocks).map(block).collect())
}
