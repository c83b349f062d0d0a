//! Random small models of every family.

use dress_core::burn::tensor::{Device, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{AxisKind, AxisSelection, Calibration, CausalLm, Forward, NoTap, Selection};
use dress_models::AnyModel;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::path::Path;

/// The families, and OPT's other layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Llama,
    /// Every layer sees a window that is shorter than the texts.
    Mistral,
    /// All layers but the first see one.
    Qwen2,
    Qwen3,
    /// Its files hold several parameters in one tensor.
    Phi3,
    /// Every second layer turns neither queries nor keys.
    SmolLm3,
    /// With multipliers.
    Granite,
    /// Norms behind attention and feed-forward network, and over all queries and keys.
    Olmo2,
    /// Norms before and behind, soft caps, and a factor that follows from the width.
    Gemma2,
    /// Two rotary bases, and a norm on every head.
    Gemma3,
    /// Query, key and value of a head in one block, and a norm each for attention and feed-forward network.
    GptNeox,
    Opt,
    /// Norms behind, and projections around the embedding.
    Opt350m,
    Phi,
}

pub const FAMILIES: [Family; 14] = [
    Family::Llama,
    Family::Mistral,
    Family::Qwen2,
    Family::Qwen3,
    Family::Phi3,
    Family::SmolLm3,
    Family::Granite,
    Family::Olmo2,
    Family::Gemma2,
    Family::Gemma3,
    Family::GptNeox,
    Family::Opt,
    Family::Opt350m,
    Family::Phi,
];

impl Family {
    /// Whether its configuration can say that every projection has a bias.
    pub fn can_have_biases(self) -> bool {
        matches!(
            self,
            Self::Llama
                | Self::SmolLm3
                | Self::Granite
                | Self::GptNeox
                | Self::Opt
                | Self::Opt350m
                | Self::Phi
        )
    }

    /// Whether its residual stream can be turned: no norms lie behind attention and feed-forward network.
    pub fn can_be_turned(self) -> bool {
        !matches!(self, Self::Opt350m | Self::Olmo2 | Self::Gemma2 | Self::Gemma3)
    }
}

/// A shape that a checkpoint can have. GPT-NeoX's heads share nothing; OPT's heads share nothing and are as
/// wide as the stream allows.
#[derive(Debug, Clone)]
pub struct Shape {
    pub family: Family,
    pub heads_per_group: usize,
    pub groups: usize,
    pub head_dim: usize,
    pub width_a_head: usize,
    pub intermediate_size: usize,
    pub layers: usize,
    pub tied: bool,
    pub biases: bool,
    /// Of the weights.
    pub seed: u64,
}

pub fn shapes(family: Family) -> impl Strategy<Value = Shape> {
    let sizes = (1..3usize, 2..4usize, 2..5usize, 3..6usize, 3..20usize, 1..4usize);
    (sizes, any::<bool>(), any::<bool>(), any::<u64>()).prop_map(move |(sizes, tied, biases, seed)| Shape {
        family,
        heads_per_group: sizes.0,
        groups: sizes.1,
        head_dim: 2 * sizes.2,
        width_a_head: sizes.3,
        intermediate_size: sizes.4,
        layers: sizes.5,
        tied,
        biases,
        seed,
    })
}

/// Draws new cases every time, and says with which seed, which a failed test shows. `DRESS_TEST_SEED` draws
/// the same again.
pub fn runner(cases: u32) -> TestRunner {
    let given = std::env::var("DRESS_TEST_SEED").ok().map(|text| text.parse().expect("a number"));
    let seed = given.unwrap_or_else(rand::random);
    println!("drawn with DRESS_TEST_SEED={seed}");
    TestRunner::new(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::with_cases(cases)
    })
}

pub const VOCAB: usize = 37;

impl Shape {
    pub fn example() -> Self {
        Self {
            family: Family::Llama,
            heads_per_group: 2,
            groups: 2,
            head_dim: 8,
            width_a_head: 6,
            intermediate_size: 40,
            layers: 2,
            tied: true,
            biases: false,
            seed: 1,
        }
    }

    /// A model of this shape whose every parameter, norms and biases included, is random.
    pub fn model(&self) -> AnyModel {
        let heads = self.heads_per_group * self.groups;
        let config = match self.family {
            Family::Llama => {
                self.decoder(heads, json!({ "attention_bias": self.biases, "mlp_bias": self.biases }))
            }
            Family::Mistral => self.decoder(heads, json!({ "model_type": "mistral", "sliding_window": 4 })),
            Family::Qwen2 => {
                let windows =
                    json!({ "use_sliding_window": true, "sliding_window": 5, "max_window_layers": 1 });
                self.decoder(heads, merged(json!({ "model_type": "qwen2" }), windows))
            }
            Family::Qwen3 => {
                self.decoder(heads, json!({ "model_type": "qwen3", "attention_bias": self.biases }))
            }
            Family::Phi3 => {
                // The first pair of each head is rotated, by a divisor of its own in a text of more than 7 tokens.
                let scaling = json!({ "type": "longrope", "short_factor": [1.0], "long_factor": [3.0] });
                let partial = json!({ "model_type": "phi3", "original_max_position_embeddings": 7,
                    "partial_rotary_factor": 2.0 / self.head_dim as f64 });
                self.decoder(heads, merged(partial, json!({ "rope_scaling": scaling })))
            }
            Family::SmolLm3 => {
                let biases = json!({ "attention_bias": self.biases, "mlp_bias": self.biases });
                let family = json!({ "model_type": "smollm3", "no_rope_layer_interval": 2 });
                self.decoder(heads, merged(family, biases))
            }
            Family::Granite => {
                let biases = json!({ "attention_bias": self.biases, "mlp_bias": self.biases });
                let family = json!({ "model_type": "granite", "embedding_multiplier": 3.0,
                    "residual_multiplier": 0.5, "attention_multiplier": 0.2, "logits_scaling": 2.0 });
                self.decoder(heads, merged(family, biases))
            }
            Family::Olmo2 => {
                self.decoder(heads, json!({ "model_type": "olmo2", "attention_bias": self.biases }))
            }
            Family::Gemma2 => {
                let caps = json!({ "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0 });
                let family =
                    json!({ "model_type": "gemma2", "sliding_window": 4, "query_pre_attn_scalar": 9 });
                self.decoder(heads, merged(family, caps))
            }
            Family::Gemma3 => {
                let family = json!({ "model_type": "gemma3_text", "sliding_window": 4, "sliding_window_pattern": 2,
                    "attention_bias": self.biases, "query_pre_attn_scalar": 5 });
                self.decoder(heads, family)
            }
            Family::GptNeox => self.gpt_neox(heads),
            Family::Opt | Family::Opt350m => self.opt(heads),
            Family::Phi => self.phi(heads),
        };
        let device = Device::flex();
        let model = AnyModel::from_config(&config.to_string(), Path::new("config.json"), &device).unwrap();
        let plus_one = matches!(self.family, Family::Gemma2 | Family::Gemma3);
        parameters::map(model, &mut Randomize(ChaCha8Rng::seed_from_u64(self.seed), plus_one))
    }

    /// Whether layer norms read the stream, so that it is centred before it is sliced.
    pub fn centred(&self) -> bool {
        matches!(self.family, Family::GptNeox | Family::Opt | Family::Phi)
    }

    fn opt(&self, heads: usize) -> Value {
        let width = heads * self.head_dim;
        let pre_norm = self.family == Family::Opt;
        json!({
            "model_type": "opt", "vocab_size": VOCAB, "hidden_size": width,
            "word_embed_proj_dim": if pre_norm { width } else { width + 1 },
            "ffn_dim": self.intermediate_size, "num_hidden_layers": self.layers,
            "num_attention_heads": heads, "max_position_embeddings": 32, "do_layer_norm_before": pre_norm,
            "tie_word_embeddings": self.tied, "enable_bias": self.biases || pre_norm,
        })
    }

    fn gpt_neox(&self, heads: usize) -> Value {
        json!({
            "model_type": "gpt_neox", "vocab_size": VOCAB, "hidden_size": heads * self.width_a_head,
            "intermediate_size": self.intermediate_size, "num_hidden_layers": self.layers,
            "num_attention_heads": heads, "head_dim": self.head_dim, "attention_bias": self.biases,
            "use_parallel_residual": self.tied, "rotary_pct": 2.0 / self.head_dim as f64, "layer_norm_eps": 1e-3,
        })
    }

    fn phi(&self, heads: usize) -> Value {
        json!({
            "model_type": "phi", "vocab_size": VOCAB, "hidden_size": heads * self.width_a_head,
            "intermediate_size": self.intermediate_size, "num_hidden_layers": self.layers,
            "num_attention_heads": heads, "num_key_value_heads": self.groups, "head_dim": self.head_dim,
            "partial_rotary_factor": if self.tied { 1.0 } else { 2.0 / self.head_dim as f64 },
            "layer_norm_eps": 1e-3,
        })
    }

    /// LLaMA's configuration with the keys of a family.
    fn decoder(&self, heads: usize, of_family: Value) -> Value {
        let config = json!({
            "model_type": "llama", "vocab_size": VOCAB, "hidden_size": heads * self.width_a_head,
            "intermediate_size": self.intermediate_size, "num_hidden_layers": self.layers,
            "num_attention_heads": heads, "num_key_value_heads": self.groups, "head_dim": self.head_dim,
            "tie_word_embeddings": self.tied, "rms_norm_eps": 1e-3,
        });
        merged(config, of_family)
    }
}

/// `config` with the keys of `more`.
fn merged(mut config: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    config
}

/// Draws numbers; whether gains are filed as one less than they are.
struct Randomize(ChaCha8Rng, bool);

impl ParameterMapper for Randomize {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let gain = name.contains("norm") && !name.ends_with("bias") && !self.1;
        let mean = if gain { 1.0 } else { 0.0 };
        let dims = value.dims();
        // Nearly normal, of standard deviation 0.3.
        let mut draw = || mean + 0.3 * ((0..12).map(|_| self.0.random::<f32>()).sum::<f32>() - 6.0);
        let numbers: Vec<f32> = (0..dims.iter().product()).map(|_| draw()).collect();
        Tensor::from_data(TensorData::new(numbers, dims), &value.device())
    }
}

pub fn tokens() -> Vec<Vec<u32>> {
    (0..2).map(|row| (0..11).map(|i| ((i * i + 7 * row + 3) % VOCAB) as u32).collect()).collect()
}

pub fn logits<M: CausalLm>(model: &M) -> Tensor<3> {
    model.forward(Calibration::tensor(&tokens(), &model.device()), &mut Forward::new(&mut NoTap))
}

/// `|found - expected| / |expected|`.
pub fn distance(found: Tensor<3>, expected: Tensor<3>) -> f64 {
    let norm = |t: Tensor<3>| f64::from((t.clone() * t).sum().into_scalar::<f32>()).sqrt();
    norm(found - expected.clone()) / norm(expected)
}

/// Every axis of one kind loses the structures that `pick` says of its length, at least one.
pub fn selection<M: CausalLm>(
    model: &M,
    kinds: &[AxisKind],
    pick: impl Fn(usize) -> Vec<usize>,
) -> Selection {
    let map = model.coupling();
    let mut selection = Selection::new();
    for kind in kinds {
        for axis in map.of_kind(*kind).unwrap() {
            let len = map.axis(axis).unwrap().len;
            selection = selection.with(axis, AxisSelection::new(len, pick(len)).unwrap());
        }
    }
    selection
}

/// As [`selection`], other structures and another number of them in every layer.
pub fn uneven<M: CausalLm>(model: &M, kinds: &[AxisKind], seed: u64) -> Selection {
    let map = model.coupling();
    let mut selection = Selection::new();
    for (number, axis) in kinds.iter().flat_map(|kind| map.of_kind(*kind).unwrap()).enumerate() {
        let len = map.axis(axis).unwrap().len;
        let removed = some_of(len, seed.rotate_right(7 * number as u32));
        let few = removed.into_iter().take(1 + number % 3).take(len - 1).collect();
        selection = selection.with(axis, AxisSelection::new(len, few).unwrap());
    }
    selection
}

pub const KINDS: [AxisKind; 3] = [AxisKind::Residual, AxisKind::Ffn, AxisKind::Heads];

/// Some of `len` indices, drawn by `seed`: at least one goes, and at least half stay where that leaves
/// one to go.
pub fn some_of(len: usize, seed: u64) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..len).filter(|i| (seed >> (i % 61)) & 1 == 1).collect();
    chosen.truncate(len / 2);
    if chosen.is_empty() { vec![seed as usize % len] } else { chosen }
}
