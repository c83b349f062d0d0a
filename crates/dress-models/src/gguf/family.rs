//! The families that are read from GGUF files.

use super::{GgufHeader, metadata_types};

/// A family that llama.cpp and these crates both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GgufFamily {
    Llama,
    Phi2,
}

pub(super) const LLAMA_PARTS: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const PHI_PARTS: [(&str, &str); 7] = [
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_norm", "input_layernorm"),
    ("attn_output", "self_attn.dense"),
    ("ffn_up", "mlp.fc1"),
    ("ffn_down", "mlp.fc2"),
];

impl GgufFamily {
    pub fn of(header: &GgufHeader<'_>) -> Result<Self, String> {
        check_is_model(header)?;
        let family = match header.metadata.get("general.architecture").and_then(|value| value.text()) {
            Some("llama") => GgufFamily::Llama,
            Some("phi2") => GgufFamily::Phi2,
            other => {
                return Err(format!(
                    "architecture `{}` is not read from GGUF, only llama and phi2; use the Hugging Face checkpoint",
                    other.unwrap_or("nothing")
                ));
            }
        };
        metadata_types::check(header, family.name())?;
        Ok(family)
    }

    pub fn name(self) -> &'static str {
        if self == GgufFamily::Llama { "llama" } else { "phi2" }
    }

    /// The parts of a layer, by their names here and in the Hugging Face checkpoint.
    pub fn parts(self) -> &'static [(&'static str, &'static str)] {
        if self == GgufFamily::Llama { &LLAMA_PARTS } else { &PHI_PARTS }
    }
}

/// Checks that the file is a model, and no adapter or the like.
fn check_is_model(header: &GgufHeader<'_>) -> Result<(), String> {
    let metadata = |key: &str| header.metadata.get(key);
    match metadata("general.type").and_then(|kind| kind.text()) {
        None | Some("model") => Ok(()),
        Some(kind) => {
            Err(format!("it holds no model (its general.type is `{kind}`); give the GGUF file of the model"))
        }
    }
}
