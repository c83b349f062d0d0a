//! What llama.cpp's `gemma2` and `gemma3` have and other families have not, both ways. Much of it is no
//! metadata: it follows from the architecture and the number of layers.

use super::facts::Facts;
use super::family::GgufFamily;
use super::rope::shortest;
#[cfg(feature = "tokenizer")]
use {super::entry::Entry, crate::decoder::DecoderConfig};

use serde_json::{Value, json};

/// The base of the rotary frequencies in Gemma 3's layers that see a window alone.
const LOCAL_THETA: f64 = 10_000.0;

impl GgufFamily {
    /// Whether it is one of Gemma's.
    pub fn is_gemma(self) -> bool {
        matches!(self, GgufFamily::Gemma2 | GgufFamily::Gemma3)
    }

    /// Whether a tensor, of either name, has gains that are one more here than in the Hugging Face
    /// checkpoint.
    pub fn adds_one(self, name: &str) -> bool {
        self.is_gemma() && name.ends_with("norm.weight")
    }

    /// Every which layer of Gemma sees the whole text.
    fn whole_text_every(self) -> usize {
        if self == GgufFamily::Gemma2 { 2 } else { 6 }
    }

    /// The number that the root of which divides Gemma's scores: a head's width, but in the largest model.
    fn divided_by(self, layers: usize, [width, heads, head_dim]: [usize; 3]) -> usize {
        let largest = if self == GgufFamily::Gemma2 { 46 } else { 62 };
        if layers == largest { width / heads } else { head_dim }
    }
}

/// The keys of `config.json` that other families do not have.
pub(super) fn config_keys(
    facts: &Facts<'_, '_>,
    sizes: [usize; 3],
    layers: usize,
) -> Vec<(&'static str, Value)> {
    let (family, is_first) = (facts.family, facts.family == GgufFamily::Gemma2);
    let missing = is_first.then_some(4096);
    let window = facts.number("attention.sliding_window").or(missing).filter(|&window| window > 0);
    let sees_window =
        |layer: usize| window.is_some() && !(layer + 1).is_multiple_of(family.whole_text_every());
    let kinds =
        (0..layers).map(|layer| if sees_window(layer) { "sliding_attention" } else { "full_attention" });
    let mut keys = vec![
        ("hidden_activation", json!("gelu_pytorch_tanh")),
        ("query_pre_attn_scalar", json!(family.divided_by(layers, sizes))),
        ("sliding_window", json!(window)),
        ("layer_types", kinds.collect()),
    ];
    if is_first {
        let cap = |key: &str, missing| json!(facts.float(key).map_or(missing, shortest));
        keys.push(("attn_logit_softcapping", cap("attn_logit_softcapping", 50.0)));
        keys.push(("final_logit_softcapping", cap("final_logit_softcapping", 30.0)));
    } else {
        let local = facts.float("rope.freq_base_swa").map_or(LOCAL_THETA, shortest);
        keys.push(("rope_local_base_freq", json!(local)));
    }
    keys
}

/// The metadata that other families do not have.
#[cfg(feature = "tokenizer")]
pub(super) fn entries(config: &DecoderConfig) -> Vec<(&'static str, Entry)> {
    let caps = [config.soft_caps.attention, config.soft_caps.logits];
    let keys = ["attn_logit_softcapping", "final_logit_softcapping"];
    let caps = keys.into_iter().zip(caps).filter_map(|(key, cap)| Some((key, Entry::F32(cap? as f32))));
    let window = config.shortest_window().map(|window| Entry::U32(window as u32));
    let local = config.local_theta.map(|theta| Entry::F32(theta as f32));
    let others = [("attention.sliding_window", window), ("rope.freq_base_swa", local)];
    caps.chain(others.into_iter().filter_map(|(key, entry)| Some((key, entry?)))).collect()
}

/// Checks that a model is the one which llama.cpp takes the metadata for.
///
/// # Errors
/// What it would do otherwise.
#[cfg(feature = "tokenizer")]
pub(super) fn check(config: &DecoderConfig, family: GgufFamily) -> Result<(), String> {
    let name = family.name();
    if !config.tie_word_embeddings {
        return Err(format!("llama.cpp's {name} has no head that is not the embedding"));
    }
    let (caps, is_first) = (config.soft_caps, family == GgufFamily::Gemma2);
    if [caps.attention, caps.logits].iter().any(|cap| cap.is_some() != is_first) {
        let says = if is_first { "always has" } else { "has no" };
        return Err(format!("llama.cpp's {name} {says} caps on scores and logits"));
    }
    let sizes = [config.hidden_size, config.num_attention_heads, config.head_dim];
    let divided_by = family.divided_by(config.num_hidden_layers, sizes);
    let scale = config.multipliers.attention.unwrap_or(1.0);
    if (scale * (divided_by as f64).sqrt() - 1.0).abs() > 1e-6 {
        return Err(format!(
            "llama.cpp's {name} of {} layers divides scores by the root of {divided_by}, and `query_pre_attn_scalar` says \
             otherwise",
            config.num_hidden_layers
        ));
    }
    if config.local_theta.is_some_and(|theta| theta != LOCAL_THETA) {
        return Err(format!(
            "llama.cpp's {name} has a base of {LOCAL_THETA} in layers that see a window alone"
        ));
    }
    let (every, window) = (family.whole_text_every(), config.shortest_window());
    let expected = |layer: usize| window.filter(|_| !(layer + 1).is_multiple_of(every));
    let as_there = config.windows.iter().enumerate().all(|(layer, found)| *found == expected(layer));
    if !as_there || (is_first && window.is_none()) {
        return Err(format!(
            "in llama.cpp's {name} the last of every {every} layers sees the whole text and the others a window, which \
             whole layers that go must leave so; serve the directory with transformers or vLLM"
        ));
    }
    Ok(())
}
