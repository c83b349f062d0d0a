//! From GGUF metadata to `config.json`, and from GGUF names to Hugging Face's.

use super::checkpoint::Part;
use super::tokenizer::Vocabulary;
use super::{GgufHeader, MetadataArray, MetadataValue, TensorInfo, TensorType, metadata_types};
use crate::blocks::RopeScaling;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A family that llama.cpp and these crates both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Llama,
    Phi2,
}

const LLAMA_PARTS: [(&str, &str); 9] = [
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

impl Family {
    pub fn of(header: &GgufHeader<'_>) -> Result<Self, String> {
        check_is_model(header)?;
        let family = match header.metadata.get("general.architecture").and_then(|value| value.text()) {
            Some("llama") => Family::Llama,
            Some("phi2") => Family::Phi2,
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

    fn name(self) -> &'static str {
        if self == Family::Llama { "llama" } else { "phi2" }
    }

    fn parts(self) -> &'static [(&'static str, &'static str)] {
        if self == Family::Llama { &LLAMA_PARTS } else { &PHI_PARTS }
    }

    /// Every tensor's part in the Hugging Face checkpoint.
    pub fn tensors(self, header: &GgufHeader<'_>) -> Result<BTreeMap<String, Part>, String> {
        let facts = Facts { header, family: self };
        let [heads, kv_heads] = facts.heads()?;
        let mut tensors = BTreeMap::new();
        for (&name, info) in &header.tensors {
            let kind = name.rsplit('.').next().unwrap_or_default();
            if name == "rope_freqs.weight" && self == Family::Llama {
                continue;
            }
            facts.check_block(name)?;
            if self == Family::Phi2 && name.contains("attn_qkv") {
                tensors.extend(self.split_qkv(name, info, [heads, kv_heads])?);
                continue;
            }
            let found = self.hugging_face_name(name).ok_or_else(|| {
                format!(
                    "tensor `{name}` has no place in a {} checkpoint; was it made for another program?",
                    self.name()
                )
            })?;
            let part = Part::whole(info);
            let part = match (self, name.split('.').nth(2)) {
                (Family::Llama, Some("attn_q")) => part.interleaved(even_heads(info, heads, name)?),
                (Family::Llama, Some("attn_k")) => part.interleaved(even_heads(info, kv_heads, name)?),
                _ => part,
            };
            tensors.insert(format!("{found}.{kind}"), part);
        }
        Ok(tensors)
    }

    /// The name without its `.weight` or `.bias`.
    fn hugging_face_name(self, name: &str) -> Option<String> {
        let (stem, _) = name.rsplit_once('.')?;
        let norm = if self == Family::Llama { "model.norm" } else { "model.final_layernorm" };
        match stem {
            "token_embd" => return Some("model.embed_tokens".into()),
            "output_norm" => return Some(norm.into()),
            "output" => return Some("lm_head".into()),
            _ => {}
        }
        let (block, part) = stem.strip_prefix("blk.")?.split_once('.')?;
        let block: usize = block.parse().ok()?;
        let (_, found) = self.parts().iter().find(|(gguf, _)| *gguf == part)?;
        Some(format!("model.layers.{block}.{found}"))
    }

    fn split_qkv(
        self,
        name: &str,
        info: &TensorInfo,
        [heads, kv_heads]: [usize; 2],
    ) -> Result<Vec<(String, Part)>, String> {
        let mut words = name.split('.');
        let block = words.nth(1).and_then(|block| block.parse::<usize>().ok());
        let (Some(block), Some(kind)) = (block, words.nth(1)) else {
            return Err(format!("tensor `{name}` has no block"));
        };
        let rows = info.shape.first().copied().unwrap_or(0);
        let all = heads + 2 * kv_heads;
        if !rows.is_multiple_of(all) {
            return Err(format!("tensor `{name}` has {rows} rows, which {all} heads do not share evenly"));
        }
        let head_dim = rows / all;
        let ends = [0, heads, heads + kv_heads, all].map(|head| head * head_dim);
        let parts = ["q_proj", "k_proj", "v_proj"].iter().zip(ends.windows(2)).map(|(projection, range)| {
            let hf = format!("model.layers.{block}.self_attn.{projection}.{kind}");
            (hf, Part::rows(info, range[0]..range[1]))
        });
        Ok(parts.collect())
    }
}

const REMEDY: &str = "convert the Hugging Face checkpoint anew, or use that";

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

fn even_heads(info: &TensorInfo, heads: usize, name: &str) -> Result<usize, String> {
    let rows = info.shape.first().copied().unwrap_or(0);
    if heads == 0 || rows == 0 || !rows.is_multiple_of(2 * heads) {
        return Err(format!("tensor `{name}` has {rows} rows, which {heads} heads do not share in pairs"));
    }
    Ok(heads)
}

/// What the metadata says of one family.
struct Facts<'a, 'f> {
    header: &'a GgufHeader<'f>,
    family: Family,
}

impl Facts<'_, '_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.family.name())
    }

    fn number(&self, key: &str) -> Option<u64> {
        let value = *self.header.metadata.get(self.key(key).as_str())?;
        match value.array() {
            None => value.unsigned(),
            // One number a block, as files of some models have it.
            Some(list) => {
                let first = list.iter().next()?;
                list.iter().all(|one| one == first).then(|| first.unsigned())?
            }
        }
    }

    /// Checks that a tensor belongs to a block that there is.
    fn check_block(&self, name: &str) -> Result<(), String> {
        let block = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
        match (block, self.number("block_count")) {
            (Some(block), Some(count)) if block >= count => Err(format!(
                "tensor `{name}` is of block {block}, and `{}` is {count}",
                self.key("block_count")
            )),
            _ => Ok(()),
        }
    }

    /// Checks that nothing asks for what is not built, and that no number is beyond numbers.
    fn check(&self, rows: u64, head_dim: u64) -> Result<(), String> {
        let infinite = |value: &MetadataValue<'_>| value.float().is_some_and(|number| !number.is_finite());
        let prefix = self.key("");
        let mut entries = self.header.metadata.iter().filter(|(key, _)| key.starts_with(&prefix));
        if let Some((key, value)) = entries.find(|(_, value)| infinite(value)) {
            let value = value.float().unwrap_or(f64::NAN);
            return Err(format!("its metadata has `{key}` {value}, which is no number; {REMEDY}"));
        }
        let metadata = |key: &str| self.header.metadata.get(key);
        let tokens = metadata("tokenizer.ggml.tokens").and_then(|tokens| tokens.array());
        if let Some(tokens) = tokens.map(MetadataArray::len).filter(|&tokens| tokens != rows) {
            return Err(format!(
                "its vocabulary has {tokens} tokens and token_embd.weight {rows} rows; {REMEDY}"
            ));
        }
        if self.number("expert_count").is_some_and(|count| count > 0) {
            return Err(format!("`{}`: experts are not built", self.key("expert_count")));
        }
        let causal = metadata(&self.key("attention.causal")).and_then(|causal| causal.bool());
        if causal == Some(false) {
            return Err(format!(
                "`{}`: attention to later tokens is not built",
                self.key("attention.causal")
            ));
        }
        for key in ["rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"] {
            if self.float(key).is_some_and(|factor| factor != 1.0) {
                return Err(format!("`{}` other than 1 is not built", self.key(key)));
            }
        }
        let rotated = (self.family == Family::Llama).then_some("rope.dimension_count");
        for key in ["attention.value_length"].into_iter().chain(rotated) {
            if let Some(found) = self.number(key).filter(|&found| found != head_dim) {
                let key = self.key(key);
                return Err(format!("`{key}` is {found} and heads are {head_dim} wide: that is not built"));
            }
        }
        Ok(())
    }

    fn float(&self, key: &str) -> Option<f64> {
        self.header.metadata.get(self.key(key).as_str())?.float()
    }

    fn need<T>(&self, key: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| format!("its metadata has no usable `{}`", self.key(key)))
    }

    /// The divisor of the frequencies, by llama.cpp's rules: scaling is linear where no type is said, and the factor
    /// has an older name.
    fn scale(&self) -> Result<f64, String> {
        let kind = self.header.metadata.get(self.key("rope.scaling.type").as_str());
        match kind.map(|kind| kind.text()) {
            None | Some(Some("linear")) => {}
            Some(Some("none")) => return Ok(1.0),
            Some(other) => {
                let other = other.unwrap_or("no text");
                return Err(format!("rope scaling `{other}` is not built, only linear and llama3"));
            }
        }
        match self.float("rope.scaling.factor").or_else(|| self.float("rope.scale_linear")) {
            None => Ok(1.0),
            Some(0.0) => Ok(1.0),
            Some(factor) if factor > 0.0 => Ok(factor),
            Some(factor) => {
                Err(format!("its metadata has the rope scaling factor {factor}, which is not above 0"))
            }
        }
    }

    fn heads(&self) -> Result<[usize; 2], String> {
        let heads = self.need("attention.head_count", self.number("attention.head_count"))?;
        let kv_heads = self.number("attention.head_count_kv").unwrap_or(heads);
        // A number of heads beyond any row count is no number of heads.
        let small = |n: u64| usize::try_from(n).ok().filter(|&n| n < 1 << 20);
        match (small(heads), small(kv_heads)) {
            (Some(heads), Some(kv_heads)) if heads > 0 => Ok([heads, kv_heads]),
            _ => Err(format!("its metadata has {heads} and {kv_heads} heads")),
        }
    }
}

/// The `config.json` of the file's family.
pub(super) fn config_json<'f>(
    header: &GgufHeader<'_>,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<String, String> {
    let facts = Facts { header, family: Family::of(header)? };
    let [heads, kv_heads] = facts.heads()?;
    let number = |key: &str| facts.need(key, facts.number(key));
    let width = number("embedding_length")?;
    let embedding = header.tensors.get("token_embd.weight").ok_or("there is no token_embd.weight")?;
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| {
        config.insert(key.into(), value);
    };
    set("vocab_size", json!(embedding.shape.first().copied().unwrap_or(0)));
    set("hidden_size", json!(width));
    set("intermediate_size", json!(number("feed_forward_length")?));
    set("num_hidden_layers", json!(number("block_count")?));
    set("num_attention_heads", json!(heads));
    set("num_key_value_heads", json!(kv_heads));
    set("max_position_embeddings", json!(number("context_length")?));
    set("rope_theta", json!(facts.float("rope.freq_base").unwrap_or(10_000.0)));
    set("torch_dtype", json!("float32"));
    let (begins, ends) = ends_of_texts(header);
    set("bos_token_id", begins);
    set("eos_token_id", ends);
    let head_dim = facts.number("attention.key_length").unwrap_or(width / heads as u64);
    facts.check(embedding.shape.first().copied().unwrap_or(0) as u64, head_dim)?;
    match facts.family {
        Family::Llama => {
            let key = "attention.layer_norm_rms_epsilon";
            set("architectures", json!(["LlamaForCausalLM"]));
            set("model_type", json!("llama"));
            set("hidden_act", json!("silu"));
            set("head_dim", json!(head_dim));
            set("rms_norm_eps", json!(shortest(facts.need(key, facts.float(key))?)));
            set("tie_word_embeddings", json!(!header.tensors.contains_key("output.weight")));
            set("attention_bias", json!(header.tensors.contains_key("blk.0.attn_q.bias")));
            set("mlp_bias", json!(header.tensors.contains_key("blk.0.ffn_up.bias")));
            set("rope_scaling", rope_scaling(&facts, head_dim, bytes)?);
        }
        Family::Phi2 => {
            let key = "attention.layer_norm_epsilon";
            let rotated = facts.number("rope.dimension_count").unwrap_or(head_dim);
            set("architectures", json!(["PhiForCausalLM"]));
            set("model_type", json!("phi"));
            set("hidden_act", json!("gelu_new"));
            set("layer_norm_eps", json!(shortest(facts.need(key, facts.float(key))?)));
            set("partial_rotary_factor", json!(share(rotated, head_dim)));
            if head_dim.checked_mul(heads as u64) != Some(width) {
                set("head_dim", json!(head_dim));
            }
            if facts.scale()? != 1.0 {
                set("rope_scaling", json!({ "rope_type": "linear", "factor": facts.scale()? }));
            }
            set("tie_word_embeddings", json!(false));
        }
    }
    Ok(serde_json::to_string_pretty(&Value::Object(config)).expect("a map with string keys is JSON"))
}

/// The ids of the token that begins a text and of those that end one.
fn ends_of_texts(header: &GgufHeader<'_>) -> (Value, Value) {
    let Ok(vocabulary) = Vocabulary::read(header) else { return (Value::Null, Value::Null) };
    let ends = vocabulary.ends();
    let ends = if ends.len() == 1 { json!(ends[0]) } else { json!(ends) };
    let ends = if ends == json!([]) { Value::Null } else { ends };
    (json!(vocabulary.special("bos").map(|(id, _)| id)), ends)
}

/// A share of which the product with the whole is the part again, and not one less by rounding.
fn share(part: u64, whole: u64) -> f64 {
    let share = part as f64 / whole as f64;
    if (whole as f64 * share) as u64 == part { share } else { share.next_up() }
}

/// The number that was rounded to f32 when it was written: 1e-5, not 9.999999747378752e-6.
fn shortest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Linear scaling is in the metadata, LLaMA-3's only in the factors that its converter computed.
fn rope_scaling<'f>(
    facts: &Facts<'_, '_>,
    head_dim: u64,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<Value, String> {
    let factor = facts.scale()?;
    if factor != 1.0 {
        if facts.header.tensors.contains_key("rope_freqs.weight") {
            return Err(format!("rope_freqs.weight beside linear scaling is not built; {REMEDY}"));
        }
        return Ok(json!({ "rope_type": "linear", "factor": factor }));
    }
    let Some(tensor) = facts.header.tensors.get("rope_freqs.weight") else { return Ok(Value::Null) };
    if tensor.kind != TensorType::F32 || tensor.shape != [head_dim as usize / 2] {
        return Err(format!(
            "rope_freqs.weight is {:?} of {:?}, and {} numbers of F32 are read; {REMEDY}",
            tensor.shape, tensor.kind, head_dim / 2
        ));
    }
    let factors: Vec<f64> =
        bytes(tensor).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect();
    let theta = facts.float("rope.freq_base").unwrap_or(10_000.0);
    let factor = factors.iter().copied().fold(1.0, f64::max);
    let scaling = RopeScaling::Llama3 {
        factor,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 8192.0,
    };
    let fits = factors.iter().enumerate().all(|(i, found)| {
        let frequency = theta.powf(-2.0 * i as f64 / head_dim as f64);
        (frequency / scaling.apply(frequency) - found).abs() < 1e-3 * found
    });
    if !fits {
        return Err(
            "its rope_freqs are not those of LLaMA-3's scaling; use the Hugging Face checkpoint".into()
        );
    }
    Ok(json!({
        "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }))
}
