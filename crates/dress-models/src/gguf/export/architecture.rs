//! From a model's configuration to the metadata of llama.cpp's architecture for it.

use super::layer_norms;
use crate::decoder::{Biases, DecoderConfig, Multipliers};
use crate::gguf::config::MULTIPLIERS;
use crate::gguf::entry::Entry;
use crate::gguf::family::GgufFamily;
use crate::gguf::gemma;
use crate::gguf::rope::{OWN_KEYS, llama3_factors};
use crate::gguf::row_order::RowOrder;
use crate::gpt_neox::GptNeoxConfig;
use crate::layer_norm_decoder::{LayerNormConfig, LayerNormFamily};
use crate::modules::{LongRope, RopeScaling};
use crate::phi::PhiConfig;
use crate::{AnyModel, LayerWidths};

/// A model as llama.cpp builds it.
pub(super) enum Architecture<'a> {
    /// LLaMA, its layers alike or not, and the families that are built like it.
    Decoder(&'a DecoderConfig),
    /// Phi.
    Phi(&'a PhiConfig),
    /// GPT-NeoX.
    GptNeox(&'a GptNeoxConfig),
}

/// What every architecture has.
struct Sizes<'a> {
    positions: usize,
    width: usize,
    vocabulary: usize,
    layers: usize,
    widths: &'a LayerWidths,
    heads_per_group: usize,
    rotated: usize,
    theta: f64,
}

impl<'a> Architecture<'a> {
    /// The architecture of a model that llama.cpp can build.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn of(model: &'a AnyModel) -> Result<Self, String> {
        match model {
            AnyModel::Decoder(model) => {
                let config = model.config();
                check_decoder(config, family_of(config)).map(|()| Self::Decoder(config))
            }
            AnyModel::Phi(model) => {
                let config = model.config();
                layer_norms::check(config, GgufFamily::Phi2).map(|()| Self::Phi(config))
            }
            AnyModel::GptNeox(model) => {
                let config = model.config();
                layer_norms::check(config, GgufFamily::GptNeox).map(|()| Self::GptNeox(config))
            }
            AnyModel::Opt(_) => {
                Err("llama.cpp has no OPT; serve the directory with transformers or vLLM".into())
            }
        }
    }

    pub fn family(&self) -> GgufFamily {
        match self {
            Self::Decoder(config) => family_of(config),
            Self::Phi(_) => GgufFamily::Phi2,
            Self::GptNeox(_) => GgufFamily::GptNeox,
        }
    }

    /// Tokens of the embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Decoder(config) => config.vocab_size,
            Self::Phi(config) => config.vocab_size,
            Self::GptNeox(config) => config.vocab_size,
        }
    }

    /// Whether the head is the embedding.
    pub fn is_tied(&self) -> bool {
        matches!(self, Self::Decoder(config) if config.tie_word_embeddings)
    }

    /// How the rows of a tensor of the file lie there.
    pub fn row_order(&self, tensor: &str) -> RowOrder {
        let layer =
            tensor.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        let Some(layer) = layer else { return RowOrder::Same };
        let (kv_heads, heads_per_group) = match self {
            Self::Decoder(config) => (config.widths.heads(layer), config.heads_per_group()),
            Self::Phi(config) => (config.widths.heads(layer), config.heads_per_group()),
            Self::GptNeox(config) => (config.widths.heads(layer), config.heads_per_group()),
        };
        self.family().row_order(tensor, [kv_heads * heads_per_group, kv_heads])
    }

    /// The tensors that no parameter makes, by their names.
    pub fn computed(&self) -> Vec<(String, Vec<f32>)> {
        match self {
            Self::Decoder(config) => {
                let factors = rope_factors(config).into_iter();
                factors.map(|(name, factors)| (name.to_string(), factors)).collect()
            }
            Self::Phi(_) => Vec::new(),
            Self::GptNeox(config) => layer_norms::missing_biases(config),
        }
    }

    /// The metadata, by whole keys.
    pub fn entries(&self) -> Vec<(String, Entry)> {
        let mut entries = self.sizes().entries(self.family());
        if let Self::GptNeox(config) = self {
            entries.extend(layer_norms::gpt_neox_entries(config));
        }
        let mut add = |key: &str, entry| entries.push((format!("{}.{key}", self.family().name()), entry));
        let scaling = match self {
            Self::Decoder(config) => {
                add("attention.layer_norm_rms_epsilon", Entry::F32(config.rms_norm_eps as f32));
                add("attention.key_length", count(config.head_dim));
                add("attention.value_length", count(config.head_dim));
                if self.family() == GgufFamily::Phi3 {
                    add("attention.sliding_window", count(config.shortest_window().unwrap_or(0)));
                }
                if self.family() == GgufFamily::Granite {
                    let Multipliers { embedding, residual, attention, logits } = config.multipliers;
                    let numbers = [embedding, residual, attention.unwrap_or(1.0), 1.0 / logits];
                    for ((_, key), number) in MULTIPLIERS.into_iter().zip(numbers) {
                        add(key, Entry::F32(number as f32));
                    }
                }
                if self.family().is_gemma() {
                    gemma::entries(config).into_iter().for_each(|(key, entry)| add(key, entry));
                }
                if let Some(long_rope) = &config.long_rope {
                    let original = long_rope.original_max_position_embeddings;
                    add("rope.scaling.original_context_length", count(original));
                    add("rope.scaling.attn_factor", Entry::F32(long_rope.attention_factor as f32));
                }
                config.rope_scaling
            }
            Self::Phi(config) => {
                add("attention.layer_norm_epsilon", Entry::F32(config.layer_norm_eps as f32));
                config.rope_scaling
            }
            Self::GptNeox(config) => {
                add("attention.layer_norm_epsilon", Entry::F32(config.layer_norm_eps as f32));
                config.rope_scaling
            }
        };
        match scaling {
            None => {}
            Some(RopeScaling::Linear { factor }) => {
                add("rope.scaling.type", Entry::Text("linear".into()));
                add("rope.scaling.factor", Entry::F32(factor as f32));
            }
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor: low,
                high_freq_factor: high,
                original_max_position_embeddings: original,
            }) => {
                let values = [factor, low, high, original].map(Entry::F64);
                entries.extend(OWN_KEYS.map(String::from).into_iter().zip(values));
            }
        }
        entries
    }

    fn sizes(&self) -> Sizes<'_> {
        match self {
            Self::Decoder(config) => Sizes {
                positions: positions(config),
                width: config.hidden_size,
                vocabulary: config.vocab_size,
                layers: config.num_hidden_layers,
                widths: &config.widths,
                heads_per_group: config.heads_per_group(),
                rotated: config.rotary_dims,
                theta: config.rope_theta,
            },
            Self::Phi(config) => Sizes::of(config),
            Self::GptNeox(config) => Sizes::of(config),
        }
    }
}

impl<'a> Sizes<'a> {
    /// Those of a model with layer norms.
    fn of<F: LayerNormFamily>(config: &'a LayerNormConfig<F>) -> Self {
        Self {
            positions: config.max_position_embeddings,
            width: config.hidden_size,
            vocabulary: config.vocab_size,
            layers: config.num_hidden_layers,
            widths: &config.widths,
            heads_per_group: config.heads_per_group(),
            rotated: config.rotary_dims,
            theta: config.rope_theta,
        }
    }

    fn entries(&self, family: GgufFamily) -> Vec<(String, Entry)> {
        let layers = || 0..self.layers;
        let each = |of: &dyn Fn(usize) -> usize| match family {
            GgufFamily::Deci => Entry::Numbers(layers().map(|layer| of(layer) as i32).collect()),
            _ => count(of(0)),
        };
        let entries = [
            ("context_length", count(self.positions)),
            ("embedding_length", count(self.width)),
            ("vocab_size", count(self.vocabulary)),
            ("block_count", count(self.layers)),
            ("feed_forward_length", each(&|layer| self.widths.ffn(layer))),
            ("attention.head_count", each(&|layer| self.widths.heads(layer) * self.heads_per_group)),
            ("attention.head_count_kv", each(&|layer| self.widths.heads(layer))),
            ("rope.dimension_count", count(self.rotated)),
            ("rope.freq_base", Entry::F32(self.theta as f32)),
        ];
        entries.map(|(key, entry)| (format!("{}.{key}", family.name()), entry)).into()
    }
}

/// The factors that divide the rotary frequencies, where they are not all divided by one number, by the names
/// of their tensors.
fn rope_factors(config: &DecoderConfig) -> Vec<(&'static str, Vec<f32>)> {
    let numbers = |list: &[f64]| list.iter().map(|&factor| factor as f32).collect();
    if let Some(LongRope { short, long, .. }) = &config.long_rope {
        return vec![
            ("rope_factors_long.weight", numbers(long)),
            ("rope_factors_short.weight", numbers(short)),
        ];
    }
    match config.rope_scaling {
        Some(scaling @ RopeScaling::Llama3 { .. }) => {
            let factors = llama3_factors(scaling, config.rope_theta, config.head_dim);
            vec![("rope_freqs.weight", factors.map(|factor| factor as f32).collect())]
        }
        _ => Vec::new(),
    }
}

/// Sizes are far below what 32 bits hold: a configuration with larger ones is refused.
fn count(size: usize) -> Entry {
    Entry::U32(size as u32)
}

/// llama.cpp's architecture of a family. Mistral is `llama` there.
fn family_of(config: &DecoderConfig) -> GgufFamily {
    match config.family.model_type() {
        "qwen2" => GgufFamily::Qwen2,
        "qwen3" => GgufFamily::Qwen3,
        "phi3" => GgufFamily::Phi3,
        "granite" => GgufFamily::Granite,
        "smollm3" => GgufFamily::SmolLm3,
        "olmo2" => GgufFamily::Olmo2,
        "gemma2" => GgufFamily::Gemma2,
        "gemma3_text" => GgufFamily::Gemma3,
        _ if config.widths.differ() => GgufFamily::Deci,
        _ => GgufFamily::Llama,
    }
}

/// As many tokens as the file says the model takes. But for Gemma's, none of these architectures has a window
/// in llama.cpp, and none is missed up to the shortest one.
fn positions(config: &DecoderConfig) -> usize {
    let positions = config.max_position_embeddings;
    let missed = config.shortest_window().filter(|_| !family_of(config).is_gemma());
    let Some(window) = missed.filter(|&window| window < positions) else {
        return positions;
    };
    tracing::warn!(
        "layers of this model see a window of {window} tokens, which llama.cpp does not do for this family: the file says \
         that the model takes {window} tokens and not {positions}, up to which both are the same"
    );
    window
}

/// What llama.cpp's architectures of the other families have not: layers that differ, and in most of them
/// LLaMA-3's scaling, biases, and heads of any width.
fn check_decoder(config: &DecoderConfig, family: GgufFamily) -> Result<(), String> {
    if matches!(family, GgufFamily::Llama | GgufFamily::Deci) {
        return Ok(());
    }
    let name = family.name();
    if config.widths.differ() {
        return Err(format!(
            "llama.cpp has no {name} whose layers differ; remove the same number in every layer"
        ));
    }
    if matches!(config.rope_scaling, Some(RopeScaling::Llama3 { .. })) && !family.has_rope_freqs() {
        return Err(format!("llama.cpp's {name} has no rotary scaling of the type llama3"));
    }
    let may_have = matches!(family, GgufFamily::Granite | GgufFamily::Qwen2);
    if !may_have && config.biases != Biases::NONE {
        return Err(format!("llama.cpp's {name} has no biases"));
    }
    let [width, heads, head_dim] = [config.hidden_size, config.num_attention_heads, config.head_dim];
    let any_width = [GgufFamily::Qwen3, GgufFamily::Granite, GgufFamily::SmolLm3].contains(&family);
    if !any_width && !family.is_gemma() && width != heads * head_dim {
        return Err(format!(
            "hidden_size {width} is not {heads} heads of {head_dim}, and llama.cpp's {name} takes a head's width from the \
             quotient; remove the same share of `residual` and `heads`"
        ));
    }
    let turns_nothing = |layer: usize| (layer + 1).is_multiple_of(4);
    let rotates = config.rotates.iter().enumerate();
    if family == GgufFamily::SmolLm3
        && rotates.into_iter().any(|(layer, rotates)| *rotates == turns_nothing(layer))
    {
        return Err(format!(
            "llama.cpp's {name} has every fourth layer without rotary embedding, and no other"
        ));
    }
    if family.is_gemma() {
        gemma::check(config, family)?;
    }
    if family == GgufFamily::Olmo2 && config.tie_word_embeddings {
        return Err(format!("llama.cpp's {name} has no head that is the embedding"));
    }
    Ok(())
}
