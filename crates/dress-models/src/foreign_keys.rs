//! Keys of a `config.json` that no family here reads and that say the model computes something else.
//!
//! A key is refused by its name where its value turns something on, and kept where it leaves it off: null,
//! false, zero, nothing, and one for what is multiplied. All other keys are kept as they are.

use crate::config_json::{ConfigJson, Unsupported, is_falsy};
use serde_json::Value;

/// What a key means to the family that the rest of the file describes.
pub(crate) struct FamilyFacts {
    /// The beginning of its classes' names.
    name: &'static str,
    positions: usize,
    head_dim: usize,
    own_keys: &'static [&'static str],
}

/// Which values of a key change nothing.
#[derive(Clone, Copy)]
enum Off {
    /// Null, false, zero and nothing.
    Nothing,
    /// These, and 1.
    One,
    /// Null, and true.
    True,
    /// A span of at least the model's positions, or nothing.
    Span,
    /// A list of nothing but these.
    Every(&'static [&'static str]),
    /// The width of a head.
    HeadDim,
}

const QUANTIZED: &str = "weights that a quantizer reads are not built; take the checkpoint they were made from, or dequantize \
                         them; where the files hold plain floats already, remove the key";
const SOFT_CAPS: &str = "soft caps are not built";
const WINDOW: &str =
    "attention within a window is not built, and this one is shorter than `max_position_embeddings`";
const MULTIPLIER: &str = "multipliers are not built; where the weights have it multiplied in, remove the key";
const EXPERTS: &str = "experts are not built";
const NO_ROPE: &str = "layers without rotary embedding are not built";
const NORMS: &str = "norms of queries and keys are not built";
const LATENT: &str = "latent attention is not built";
const MIXED: &str = "layers of several kinds are not built";

const FOREIGN: &[(&str, Off, &str)] = &[
    ("quantization_config", Off::Nothing, QUANTIZED),
    ("compression_config", Off::Nothing, QUANTIZED),
    ("attn_logit_softcapping", Off::Nothing, SOFT_CAPS),
    ("final_logit_softcapping", Off::Nothing, SOFT_CAPS),
    ("logits_soft_cap", Off::Nothing, SOFT_CAPS),
    ("attention_chunk_size", Off::Span, WINDOW),
    (
        "layer_types",
        // The second is an older name, which stock reads as the first.
        Off::Every(&["full_attention", "attention"]),
        "attention of other kinds than full_attention is not built",
    ),
    ("layers_block_type", Off::Every(&["attention"]), MIXED),
    ("block_configs", Off::Nothing, MIXED),
    ("cross_attention_layers", Off::Nothing, MIXED),
    ("add_cross_attention", Off::Nothing, MIXED),
    ("is_encoder_decoder", Off::Nothing, "a decoder behind an encoder is not built"),
    ("is_causal", Off::True, "attention to later tokens is not built"),
    ("embedding_multiplier", Off::One, MULTIPLIER),
    ("residual_multiplier", Off::One, MULTIPLIER),
    ("attention_multiplier", Off::One, MULTIPLIER),
    ("logits_scaling", Off::One, MULTIPLIER),
    ("logit_scale", Off::One, MULTIPLIER),
    ("lm_head_multiplier", Off::One, MULTIPLIER),
    ("mup_width_multiplier", Off::One, MULTIPLIER),
    ("scale_emb", Off::One, MULTIPLIER),
    ("scale_depth", Off::Nothing, MULTIPLIER),
    (
        "query_pre_attn_scalar",
        Off::HeadDim,
        "scores are divided by the root of the heads' width, no other number is built",
    ),
    ("num_local_experts", Off::One, EXPERTS),
    ("num_experts", Off::One, EXPERTS),
    ("n_routed_experts", Off::One, EXPERTS),
    ("moe_intermediate_size", Off::Nothing, EXPERTS),
    ("kv_lora_rank", Off::Nothing, LATENT),
    ("q_lora_rank", Off::Nothing, LATENT),
    ("no_rope_layers", Off::One, NO_ROPE),
    (
        "rope_interleaved",
        Off::Nothing,
        "rotation of neighbours is not built; permute the rows of queries and keys to halves",
    ),
    ("rotary_pct", Off::One, "a share of each head is given by `partial_rotary_factor`"),
    ("rope_local_base_freq", Off::Nothing, "a second base for some of the layers is not built"),
    ("clip_qkv", Off::Nothing, "clipped queries, keys and values are not built"),
    ("alibi", Off::Nothing, "biases by distance (ALiBi) are not built"),
    ("use_qk_norm", Off::Nothing, NORMS),
    ("qk_norm", Off::Nothing, NORMS),
    ("qk_layernorm", Off::Nothing, NORMS),
    (
        "pruned_heads",
        Off::Nothing,
        "heads that are left out by a list are not built; `dress` writes the widths themselves",
    ),
];

/// Feed-forward networks beside the attention are Phi's nature, and no other family's.
const PARALLEL: &[&str] = &["use_parallel_residual", "parallel_residual", "parallel_attn"];

impl FamilyFacts {
    pub fn new(name: &'static str, positions: usize, head_dim: usize) -> Self {
        Self { name, positions, head_dim, own_keys: &[] }
    }

    /// The same of a family that reads some of the keys which others are refused.
    pub fn with_own_keys(self, own_keys: &'static [&'static str]) -> Self {
        Self { own_keys, ..self }
    }

    fn has(&self, architecture: &str) -> bool {
        let (found, name) = (architecture.to_lowercase(), self.name.to_lowercase());
        found.contains(&format!("{name}forcausallm")) || found == format!("{name}model")
    }
}

/// Checks that no key asks for another computation than the family's.
pub(crate) fn check_foreign_keys(raw: &ConfigJson, family: &FamilyFacts) -> Result<(), Unsupported> {
    check_architectures(raw, family)?;
    let active = |key: &str, off| {
        raw.get(key).filter(|value| !family.own_keys.contains(&key) && !is_off(value, off, family))
    };
    for &(key, off, reason) in FOREIGN {
        if let Some(value) = active(key, off) {
            return Err((key, refusal(value, reason)));
        }
    }
    // Stock keeps a window's keys alone when it generates unless the window itself is null. That it is switched off beside
    // a number is meant to be full attention, which is how stock scores a text.
    let uses_window = raw.get("use_sliding_window") != Some(&Value::Bool(false));
    if let Some(value) = active("sliding_window", Off::Span).filter(|_| uses_window) {
        return Err(("sliding_window", refusal(value, WINDOW)));
    }
    let intervals = raw.get("no_rope_layers").is_none_or(Value::is_null);
    if let Some(value) = active("no_rope_layer_interval", Off::Nothing).filter(|_| intervals) {
        return Err(("no_rope_layer_interval", refusal(value, NO_ROPE)));
    }
    let parallel = PARALLEL.iter().find(|key| family.name != "Phi" && active(key, Off::Nothing).is_some());
    match parallel {
        Some(key) => {
            Err((key, "a feed-forward network beside the attention is not built for this family".into()))
        }
        None => Ok(()),
    }
}

fn refusal(value: &Value, reason: &str) -> String {
    let shown = value.to_string();
    let shown = if shown.len() > 60 { String::new() } else { format!("{shown}: ") };
    format!("{shown}{reason}")
}

fn check_architectures(raw: &ConfigJson, family: &FamilyFacts) -> Result<(), Unsupported> {
    let Some(list) = raw.get("architectures").and_then(Value::as_array) else { return Ok(()) };
    let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    if names.is_empty() || names.iter().any(|name| family.has(name)) {
        return Ok(());
    }
    let (found, ours) = (names.join(", "), family.name);
    Err((
        "architectures",
        format!("{found} is none of this family; where the model is a {ours}ForCausalLM, say so there"),
    ))
}

fn is_off(value: &Value, off: Off, family: &FamilyFacts) -> bool {
    if let (Some(list), Off::One | Off::Every(_)) = (value.as_array(), off) {
        return list.iter().all(|one| match off {
            Off::Every(names) => one.as_str().is_some_and(|one| names.contains(&one)),
            _ => one.as_f64() == Some(1.0),
        });
    }
    let number = value.as_f64();
    match off {
        Off::True => value.is_null() || value == &Value::Bool(true),
        Off::One if number == Some(1.0) => true,
        Off::HeadDim if number == Some(family.head_dim as f64) => true,
        Off::Span if number.is_some_and(|span| span >= family.positions as f64) => true,
        _ => is_falsy(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn facts(name: &'static str) -> FamilyFacts {
        FamilyFacts::new(name, 128, 16)
    }

    fn check(name: &'static str, keys: &str) -> Result<(), Unsupported> {
        let raw = ConfigJson::read(&format!("{{{keys}}}"), Path::new("config.json"), |_: Value, raw| Ok(raw))
            .unwrap();
        let own: &[&str] = if name == "Mistral" { &["sliding_window"] } else { &[] };
        check_foreign_keys(&raw, &facts(name).with_own_keys(own))
    }

    #[test]
    fn keys_that_change_the_model_are_refused_by_name() {
        for keys in [
            r#""quantization_config":{"quant_method":"gptq","bits":4}"#,
            r#""attn_logit_softcapping":50.0"#,
            r#""final_logit_softcapping":30"#,
            r#""sliding_window":64"#,
            r#""sliding_window":64,"use_sliding_window":true"#,
            r#""sliding_window":64,"use_sliding_window":null"#,
            r#""attention_chunk_size":64"#,
            r#""layer_types":["full_attention","sliding_attention"]"#,
            r#""residual_multiplier":0.22"#,
            r#""logit_scale":0.5"#,
            r#""query_pre_attn_scalar":24"#,
            r#""no_rope_layers":[1,0]"#,
            r#""no_rope_layer_interval":4"#,
            r#""num_local_experts":8"#,
            r#""clip_qkv":8.0"#,
            r#""alibi":true"#,
            r#""use_qk_norm":true"#,
            r#""is_causal":false"#,
            r#""rope_interleaved":true"#,
            r#""pruned_heads":{"0":[1]}"#,
            r#""use_parallel_residual":true"#,
            r#""architectures":["MistralForCausalLM"]"#,
        ] {
            let (key, _) = check("Llama", keys).unwrap_err();
            assert!(keys.contains(&format!("\"{key}\"")), "{keys}: {key}");
        }
    }

    #[test]
    fn keys_that_are_off_or_say_nothing_of_the_model_are_kept() {
        for keys in [
            r#""quantization_config":null"#,
            r#""quantization_config":{}"#,
            r#""sliding_window":null"#,
            r#""sliding_window":128"#,
            r#""sliding_window":64,"use_sliding_window":false"#,
            r#""layer_types":["full_attention","full_attention"]"#,
            r#""layer_types":["attention","full_attention"]"#,
            r#""residual_multiplier":1.0"#,
            r#""logit_scale":1"#,
            r#""query_pre_attn_scalar":16"#,
            r#""no_rope_layers":[1,1],"no_rope_layer_interval":4"#,
            r#""num_local_experts":0"#,
            r#""alibi":false"#,
            r#""is_causal":true"#,
            r#""rope_interleaved":false"#,
            r#""pruned_heads":{}"#,
            r#""parallel_residual":false"#,
            r#""pretraining_tp":2,"attention_dropout":0.1,"auto_map":{"a":"b"},"acme_secret":7"#,
            r#""architectures":null"#,
            r#""architectures":["LLaMAForCausalLM"]"#,
            r#""architectures":["LlamaModel"]"#,
        ] {
            assert_eq!(check("Llama", keys), Ok(()), "{keys}");
        }
        assert_eq!(check("Mistral", r#""sliding_window":64"#), Ok(()), "a key of its own");
        assert!(check("Mistral", r#""attention_chunk_size":64"#).is_err());
        assert_eq!(
            check("Phi", r#""use_parallel_residual":true,"architectures":["PhiForCausalLM"]"#),
            Ok(())
        );
    }
}
