//! The families that are read from GGUF files and written into them, and what their tensors are called in
//! either.

use super::{GgufHeader, metadata_types};

/// A family that llama.cpp and these crates both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GgufFamily {
    /// LLaMA and Mistral.
    Llama,
    /// LLaMA with layers of different widths.
    Deci,
    Qwen2,
    Qwen3,
    /// LLaMA with multipliers.
    Granite,
    /// LLaMA with layers that turn neither queries nor keys.
    SmolLm3,
    /// Norms behind attention and feed-forward network.
    Olmo2,
    Gemma2,
    Gemma3,
    Phi2,
    /// Phi-3 and Phi-4, whose files hold several parameters in one tensor.
    Phi3,
    /// GPT-NeoX and Pythia, whose queries, keys and values are one parameter.
    GptNeox,
}

/// The families that are read and written.
const FAMILIES: [GgufFamily; 12] = [
    GgufFamily::Llama,
    GgufFamily::Deci,
    GgufFamily::Qwen2,
    GgufFamily::Qwen3,
    GgufFamily::Granite,
    GgufFamily::SmolLm3,
    GgufFamily::Olmo2,
    GgufFamily::Gemma2,
    GgufFamily::Gemma3,
    GgufFamily::Phi2,
    GgufFamily::Phi3,
    GgufFamily::GptNeox,
];

const DECODER_ENDS: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const PHI_ENDS: [(&str, &str); 3] =
    [("token_embd", "model.embed_tokens"), ("output_norm", "model.final_layernorm"), ("output", "lm_head")];

const GPT_NEOX_ENDS: [(&str, &str); 3] = [
    ("token_embd", "gpt_neox.embed_in"),
    ("output_norm", "gpt_neox.final_layer_norm"),
    ("output", "embed_out"),
];

/// The parts of a layer of the decoder that LLaMA and the families like it have. Norms of heads are Qwen3's.
const DECODER_PARTS: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const OLMO2_PARTS: [(&str, &str); 11] = [
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const GEMMA_PARTS: [(&str, &str); 13] = [
    ("attn_norm", "input_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
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

const GPT_NEOX_PARTS: [(&str, &str); 6] = [
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("attn_qkv", "attention.query_key_value"),
    ("attn_output", "attention.dense"),
    ("ffn_up", "mlp.dense_h_to_4h"),
    ("ffn_down", "mlp.dense_4h_to_h"),
];

impl GgufFamily {
    pub fn of(header: &GgufHeader<'_>) -> Result<Self, String> {
        check_is_model(header)?;
        let found = header.metadata.get("general.architecture").and_then(|value| value.text());
        let Some(family) = FAMILIES.into_iter().find(|family| found == Some(family.name())) else {
            return Err(format!(
                "architecture `{}` is not read from GGUF, only {}; use the Hugging Face checkpoint",
                found.unwrap_or("nothing"),
                FAMILIES.map(GgufFamily::name).join(", ")
            ));
        };
        metadata_types::check(header, family.name())?;
        Ok(family)
    }

    pub fn name(self) -> &'static str {
        match self {
            GgufFamily::Llama => "llama",
            GgufFamily::Deci => "deci",
            GgufFamily::Qwen2 => "qwen2",
            GgufFamily::Qwen3 => "qwen3",
            GgufFamily::Granite => "granite",
            GgufFamily::SmolLm3 => "smollm3",
            GgufFamily::Olmo2 => "olmo2",
            GgufFamily::Gemma2 => "gemma2",
            GgufFamily::Gemma3 => "gemma3",
            GgufFamily::Phi2 => "phi2",
            GgufFamily::Phi3 => "phi3",
            GgufFamily::GptNeox => "gptneox",
        }
    }

    /// The `model_type` of its models in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            GgufFamily::Deci => "llama",
            GgufFamily::Gemma3 => "gemma3_text",
            GgufFamily::Phi2 => "phi",
            GgufFamily::GptNeox => "gpt_neox",
            other => other.name(),
        }
    }

    /// Whether it is read as a model of [`decoder`](crate::decoder).
    pub fn is_decoder(self) -> bool {
        !matches!(self, GgufFamily::Phi2 | GgufFamily::GptNeox)
    }

    /// Whether the rows of its queries and keys lie in the order of interleaved rotation.
    pub fn is_interleaved(self) -> bool {
        matches!(self, GgufFamily::Llama | GgufFamily::Deci | GgufFamily::Granite | GgufFamily::SmolLm3)
    }

    /// Whether the scaling of LLaMA-3 is among its tensors, where it has one.
    pub fn has_rope_freqs(self) -> bool {
        matches!(self, GgufFamily::Llama | GgufFamily::Deci | GgufFamily::Granite)
    }

    /// Whether queries, keys and values are one tensor here and three in the Hugging Face checkpoint.
    pub fn joins_heads(self) -> bool {
        matches!(self, GgufFamily::Phi2 | GgufFamily::Phi3)
    }

    /// The parts of a layer that may have biases, each group in all layers or in none: a configuration can
    /// say no other.
    pub fn biased_parts(self) -> &'static [&'static [&'static str]] {
        const NETWORK: &[&str] = &["ffn_gate", "ffn_up", "ffn_down"];
        match self {
            GgufFamily::Llama | GgufFamily::Deci | GgufFamily::Granite => {
                &[&["attn_q", "attn_k", "attn_v", "attn_output"], NETWORK]
            }
            GgufFamily::Qwen2 => &[&["attn_q", "attn_k", "attn_v"]],
            GgufFamily::Qwen3 => &[&["attn_q", "attn_k", "attn_v", "attn_output"]],
            _ => &[],
        }
    }

    /// The parts of a layer, by their names here and in the Hugging Face checkpoint.
    pub fn parts(self) -> &'static [(&'static str, &'static str)] {
        match self {
            GgufFamily::Phi2 => &PHI_PARTS,
            GgufFamily::GptNeox => &GPT_NEOX_PARTS,
            GgufFamily::Olmo2 => &OLMO2_PARTS,
            GgufFamily::Gemma2 | GgufFamily::Gemma3 => &GEMMA_PARTS,
            _ => &DECODER_PARTS,
        }
    }

    /// What lies before and behind the layers, by its names here and in the Hugging Face checkpoint.
    fn ends(self) -> &'static [(&'static str, &'static str)] {
        match self {
            GgufFamily::Phi2 => &PHI_ENDS,
            GgufFamily::GptNeox => &GPT_NEOX_ENDS,
            _ => &DECODER_ENDS,
        }
    }

    /// What the Hugging Face checkpoint calls the list of the layers, and a dot.
    fn layers(self) -> &'static str {
        if self == GgufFamily::GptNeox { "gpt_neox.layers." } else { "model.layers." }
    }

    /// The name in the Hugging Face checkpoint, without its `.weight` or `.bias`.
    pub fn hugging_face_name(self, name: &str) -> Option<String> {
        let (stem, _) = name.rsplit_once('.')?;
        if let Some((_, found)) = self.ends().iter().find(|(gguf, _)| *gguf == stem) {
            return Some(found.to_string());
        }
        let (layer, part) = stem.strip_prefix("blk.")?.split_once('.')?;
        let layer: usize = layer.parse().ok()?;
        let (_, found) = self.parts().iter().find(|(gguf, _)| *gguf == part)?;
        Some(format!("{}{layer}.{found}", self.layers()))
    }

    /// The name in a GGUF file of a parameter, such as `model.norm.weight`.
    #[cfg(feature = "tokenizer")]
    pub fn gguf_name(self, parameter: &str) -> Option<String> {
        let (stem, kind) = parameter.rsplit_once('.')?;
        if let Some((found, _)) = self.ends().iter().find(|(_, name)| *name == stem) {
            return Some(format!("{found}.{kind}"));
        }
        let (layer, part) = stem.strip_prefix(self.layers())?.split_once('.')?;
        let (found, _) = self.parts().iter().find(|(_, name)| *name == part)?;
        Some(format!("blk.{layer}.{found}.{kind}"))
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

#[cfg(all(test, feature = "tokenizer"))]
mod tests {
    use super::*;

    #[test]
    fn names_lead_from_either_side_to_the_other() {
        for family in FAMILIES {
            let parts = family.parts().iter().map(|(gguf, name)| {
                (format!("blk.7.{gguf}.weight"), format!("{}7.{name}.weight", family.layers()))
            });
            let ends =
                family.ends().iter().map(|(gguf, name)| (format!("{gguf}.bias"), format!("{name}.bias")));
            for (gguf, name) in parts.chain(ends) {
                assert_eq!(family.gguf_name(&name).as_deref(), Some(gguf.as_str()));
                let (stem, _) = name.rsplit_once('.').unwrap();
                assert_eq!(family.hugging_face_name(&gguf).as_deref(), Some(stem));
            }
            assert_eq!(family.gguf_name("model.layers.0.self_attn.rotary_emb.inv_freq"), None);
        }
    }
}
