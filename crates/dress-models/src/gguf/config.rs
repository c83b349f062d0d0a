//! From GGUF metadata to `config.json`.

use super::config_keys::{Keys, Sizes, share, theta};
use super::facts::Facts;
use super::family::GgufFamily;
use super::rope::{long_rope, rope_scaling, shortest};
use super::tokenizer::Vocabulary;
use super::{GgufHeader, TensorInfo, gemma, layer_norms};
use crate::LayerWidths;
use crate::decoder::FamilyRules;
use serde_json::{Map, Value, json};

/// What Granite multiplies, by its keys in `config.json` and here.
pub(super) const MULTIPLIERS: [(&str, &str); 4] = [
    ("embedding_multiplier", "embedding_scale"),
    ("residual_multiplier", "residual_scale"),
    ("attention_multiplier", "attention.scale"),
    ("logits_scaling", "logit_scale"),
];

/// The `config.json` of the file's family.
pub(super) fn config_json<'f>(
    header: &GgufHeader<'_>,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<String, String> {
    let facts = Facts { header, family: GgufFamily::of(header)? };
    let [heads, kv_heads] = facts.heads()?;
    let number = |key: &str| facts.need(key, facts.number(key));
    let widths = (facts.family == GgufFamily::Deci).then(|| layer_widths(&facts)).transpose()?;
    let width = number("embedding_length")?;
    let embedding = header.tensors.get("token_embd.weight").ok_or("there is no token_embd.weight")?;
    let mut config = Map::new();
    let mut set = |key: &str, value: Value| {
        config.insert(key.into(), value);
    };
    set("vocab_size", json!(embedding.shape.first().copied().unwrap_or(0)));
    set("hidden_size", json!(width));
    match &widths {
        Some(widths) => {
            set("intermediate_size", json!(widths.largest().0));
            set(LayerWidths::KEY, json!(widths));
        }
        None => set("intermediate_size", json!(number("feed_forward_length")?)),
    }
    set("num_hidden_layers", json!(number("block_count")?));
    set("num_attention_heads", json!(heads));
    // GPT-NeoX has no such keys.
    if facts.family != GgufFamily::GptNeox {
        set("num_key_value_heads", json!(kv_heads));
        set("rope_theta", json!(theta(&facts)));
    }
    set("max_position_embeddings", json!(number("context_length")?));
    set("torch_dtype", json!("float32"));
    let (begins, ends) = ends_of_texts(header);
    set("bos_token_id", begins);
    set("eos_token_id", ends);
    // As in llama.cpp, by the heads of the first layer.
    let first = facts.heads_of_layers()?.first().map_or(heads, |[heads, _]| *heads);
    let head_dim = facts.number("attention.key_length").unwrap_or(width / first as u64);
    facts.check(embedding.shape.first().copied().unwrap_or(0) as u64, head_dim)?;
    let sizes = Sizes { width, head_dim, heads, kv_heads };
    let of_family = match facts.family.is_decoder() {
        true => decoder_keys(&facts, &sizes, bytes)?,
        false => layer_norms::config_keys(&facts, &sizes)?,
    };
    config.extend(of_family.into_iter().map(|(key, value)| (key.to_string(), value)));
    Ok(serde_json::to_string_pretty(&Value::Object(config)).expect("a map with string keys is JSON"))
}

/// The keys of a decoder of LLaMA's kind.
fn decoder_keys<'f>(
    facts: &Facts<'_, '_>,
    &Sizes { width, head_dim, heads, .. }: &Sizes,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<Keys, String> {
    let (family, tensors) = (facts.family, &facts.header.tensors);
    let epsilon = "attention.layer_norm_rms_epsilon";
    let model_type = family.model_type();
    let rules = FamilyRules::of(model_type).ok_or("its family is not built")?;
    let mut keys: Keys = vec![
        ("architectures", json!([rules.architecture()])),
        ("model_type", json!(model_type)),
        ("head_dim", json!(head_dim)),
        ("rms_norm_eps", json!(shortest(facts.need(epsilon, facts.float(epsilon))?))),
        ("tie_word_embeddings", json!(!tensors.contains_key("output.weight"))),
    ];
    if !family.is_gemma() {
        keys.push(("hidden_act", json!("silu")));
    }
    if family.has_rope_freqs() || family == GgufFamily::Qwen3 {
        keys.push(("attention_bias", json!(tensors.contains_key("blk.0.attn_q.bias"))));
    }
    if family.has_rope_freqs() {
        keys.push(("mlp_bias", json!(tensors.contains_key("blk.0.ffn_up.bias"))));
    }
    if family == GgufFamily::SmolLm3 {
        // llama.cpp has no other.
        keys.push(("no_rope_layer_interval", json!(4)));
    }
    if family.is_gemma() {
        let small = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let sizes = [small(width), heads.max(1), small(head_dim)];
        keys.extend(gemma::config_keys(facts, sizes, facts.heads_of_layers()?.len()));
    }
    if family == GgufFamily::Granite {
        let said = |said: &str| json!(facts.float(said).map_or(1.0, shortest));
        keys.extend(MULTIPLIERS.into_iter().map(|(key, name)| (key, said(name))));
    }
    match family {
        GgufFamily::Phi3 => keys.extend(phi3_keys(facts, head_dim, bytes)?),
        _ => keys.push(("rope_scaling", rope_scaling(facts, head_dim, bytes)?)),
    }
    Ok(keys)
}

/// What Phi-3 says beside the other decoders.
fn phi3_keys<'f>(
    facts: &Facts<'_, '_>,
    head_dim: u64,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<Keys, String> {
    let rotated = facts.number("rope.dimension_count").unwrap_or(head_dim);
    let original = facts.number("rope.scaling.original_context_length").unwrap_or(4096);
    let window = facts.number("attention.sliding_window").filter(|&window| window > 0);
    Ok(vec![
        ("partial_rotary_factor", json!(share(rotated, head_dim))),
        ("original_max_position_embeddings", json!(original)),
        ("sliding_window", json!(window)),
        ("rope_scaling", long_rope(facts, rotated, bytes)?),
    ])
}

/// Neurons and key/value heads of every layer.
fn layer_widths(facts: &Facts<'_, '_>) -> Result<LayerWidths, String> {
    let (key, small) = ("feed_forward_length", |width: u64| usize::try_from(width).unwrap_or(usize::MAX));
    let ffn = facts.need(key, facts.numbers(key))?.into_iter().map(small).collect();
    Ok(LayerWidths::of(ffn, facts.heads_of_layers()?.into_iter().map(|[_, kv_heads]| kv_heads).collect()))
}

/// The ids of the token that begins a text and of those that end one.
fn ends_of_texts(header: &GgufHeader<'_>) -> (Value, Value) {
    let Ok(vocabulary) = Vocabulary::read(header) else { return (Value::Null, Value::Null) };
    let ends = vocabulary.ends();
    let ends = if ends.len() == 1 { json!(ends[0]) } else { json!(ends) };
    let ends = if ends == json!([]) { Value::Null } else { ends };
    (json!(vocabulary.special("bos").map(|(id, _)| id)), ends)
}

#[cfg(test)]
mod tests {
    use super::super::written::{Entry, file_of, texts};
    use super::*;

    type Keys = Vec<(&'static str, Entry)>;

    /// The metadata of a small LLaMA with two heads of 8.
    fn llama() -> Keys {
        vec![
            ("general.architecture", Entry::Text("llama".into())),
            ("llama.context_length", Entry::U32(64)),
            ("llama.embedding_length", Entry::U32(16)),
            ("llama.block_count", Entry::U32(2)),
            ("llama.feed_forward_length", Entry::U32(24)),
            ("llama.attention.head_count", Entry::U32(2)),
            ("llama.attention.layer_norm_rms_epsilon", Entry::F32(1e-5)),
            ("tokenizer.ggml.model", Entry::Text("gpt2".into())),
            ("tokenizer.ggml.tokens", texts(&["a", "b", "<s>", "<|im_end|>"])),
            ("tokenizer.ggml.bos_token_id", Entry::U32(2)),
            ("tokenizer.ggml.eos_token_id", Entry::U32(2)),
        ]
    }

    fn with(key: &'static str, entry: Entry) -> Keys {
        llama().into_iter().filter(|(known, _)| *known != key).chain([(key, entry)]).collect()
    }

    fn config(keys: &Keys, freqs: usize) -> Result<Value, String> {
        let shapes: [(&str, &[usize]); 2] =
            [("token_embd.weight", &[4, 16]), ("rope_freqs.weight", &[freqs])];
        let bytes = file_of(keys, if freqs == 0 { &shapes[..1] } else { &shapes });
        let header = GgufHeader::parse(&bytes).unwrap();
        let text = config_json(&header, &|info| &bytes[info.start..info.start + info.len])?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn the_metadata_s_numbers_and_the_tokens_that_end_a_text_are_in_the_configuration() {
        let found = config(&llama(), 0).unwrap();
        let expected = json!({ "vocab_size": 4, "hidden_size": 16, "head_dim": 8, "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "bos_token_id": 2, "eos_token_id": [2, 3], "rope_scaling": null });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&found[key], value, "{key}");
        }
    }

    #[test]
    fn linear_scaling_is_read_in_every_spelling() {
        let linear = json!({ "rope_type": "linear", "factor": 2.0 });
        for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
            assert_eq!(config(&with(key, Entry::F32(2.0)), 0).unwrap()["rope_scaling"], linear, "{key}");
            let mut off = with(key, Entry::F32(2.0));
            off.push(("llama.rope.scaling.type", Entry::Text("none".into())));
            assert_eq!(config(&off, 0).unwrap()["rope_scaling"], Value::Null, "{key}");
        }
        let yarn = with("llama.rope.scaling.type", Entry::Text("yarn".into()));
        assert!(config(&yarn, 0).unwrap_err().contains("`yarn`"));
    }

    /// The keys of [`llama`] as those of an architecture whose layers differ.
    fn deci(ffn: &[i32], heads: &[i32], kv_heads: &[i32]) -> Keys {
        let lists = [
            ("deci.feed_forward_length", ffn),
            ("deci.attention.head_count", heads),
            ("deci.attention.head_count_kv", kv_heads),
        ];
        let mut keys: Keys = vec![
            ("general.architecture", Entry::Text("deci".into())),
            ("deci.context_length", Entry::U32(64)),
            ("deci.embedding_length", Entry::U32(16)),
            ("deci.block_count", Entry::U32(2)),
            ("deci.attention.layer_norm_rms_epsilon", Entry::F32(1e-5)),
        ];
        keys.extend(lists.map(|(key, list)| (key, Entry::Numbers(list.to_vec()))));
        keys
    }

    #[test]
    fn layers_that_differ_are_a_llama_with_a_list_of_their_widths() {
        let found = config(&deci(&[24, 20], &[4, 2], &[2, 1]), 0).unwrap();
        let expected = json!({ "model_type": "llama", "intermediate_size": 24, "num_attention_heads": 4, "head_dim": 4,
            "num_key_value_heads": 2, "dress": { "ffn": [24, 20], "heads": [2, 1] } });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&found[key], value, "{key}");
        }
    }

    #[test]
    fn layers_without_a_part_or_with_other_groups_of_heads_are_refused() {
        for (keys, says) in [
            (deci(&[24, 0], &[4, 2], &[2, 1]), "deci.feed_forward_length"),
            (deci(&[24, 20], &[4, 0], &[2, 0]), "deci.attention.head_count"),
            (
                deci(&[24, 20], &[4, 4], &[2, 1]),
                "4 query heads for 1 key/value heads and the first has 4 for 2",
            ),
        ] {
            let message = config(&keys, 0).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn what_is_not_built_is_refused_by_its_key() {
        for (key, entry) in [
            ("llama.rope.dimension_count", Entry::U32(4)),
            ("llama.attention.value_length", Entry::U32(4)),
            ("llama.rope.scaling.attn_factor", Entry::F32(2.0)),
            ("llama.rope.freq_base", Entry::F32(f32::NAN)),
            ("llama.attention.layer_norm_rms_epsilon", Entry::F32(f32::INFINITY)),
            ("llama.expert_count", Entry::U32(4)),
            ("llama.attention.causal", Entry::Bool(false)),
            ("llama.block_count", Entry::I32(2)),
            ("llama.attention.head_count", Entry::Numbers(vec![2, 1])),
            ("general.type", Entry::Text("adapter".into())),
        ] {
            let message = config(&with(key, entry), 0).unwrap_err();
            assert!(message.contains(key), "{key}: {message}");
        }
    }

    /// The keys of [`llama`] as those of a GPT-NeoX.
    fn gpt_neox() -> Keys {
        vec![
            ("general.architecture", Entry::Text("gptneox".into())),
            ("gptneox.context_length", Entry::U32(64)),
            ("gptneox.embedding_length", Entry::U32(16)),
            ("gptneox.block_count", Entry::U32(2)),
            ("gptneox.feed_forward_length", Entry::U32(24)),
            ("gptneox.attention.head_count", Entry::U32(2)),
            ("gptneox.attention.layer_norm_epsilon", Entry::F32(1e-5)),
            ("gptneox.rope.dimension_count", Entry::U32(2)),
            ("gptneox.use_parallel_residual", Entry::Bool(false)),
        ]
    }

    #[test]
    fn gpt_neox_has_its_own_keys_and_no_other_family_s() {
        let found = config(&gpt_neox(), 0).unwrap();
        let expected = json!({ "model_type": "gpt_neox", "rotary_pct": 0.25, "rotary_emb_base": 10000.0,
            "layer_norm_eps": 1e-5, "hidden_act": "gelu", "use_parallel_residual": false, "attention_bias": false });
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&found[key], value, "{key}");
        }
        assert!(found.get("num_key_value_heads").is_none() && found.get("rope_theta").is_none());
        let without: Keys = gpt_neox().into_iter().filter(|(key, _)| !key.contains("parallel")).collect();
        assert!(config(&without, 0).unwrap_err().contains("gptneox.use_parallel_residual"));
        let mut grouped = gpt_neox();
        grouped.push(("gptneox.attention.head_count_kv", Entry::U32(1)));
        assert!(config(&grouped, 0).unwrap_err().contains("gptneox.attention.head_count_kv"));
    }

    #[test]
    fn biases_in_some_projections_or_layers_only_are_refused() {
        let parts = ["attn_q", "attn_k", "attn_v", "attn_output"];
        let names: Vec<String> =
            (0..2).flat_map(|layer| parts.map(|part| format!("blk.{layer}.{part}.bias"))).collect();
        let check = |names: &[String]| {
            let tensors: Vec<(&str, &[usize])> =
                names.iter().map(|name| (name.as_str(), &[16][..])).collect();
            let bytes = file_of(&llama(), &tensors);
            let header = GgufHeader::parse(&bytes).unwrap();
            Facts { header: &header, family: GgufFamily::Llama }.check_biases()
        };
        assert_eq!((check(&[]), check(&names)), (Ok(()), Ok(())));
        for some in [&names[..3], &names[..4], &names[4..]] {
            let message = check(some).unwrap_err();
            assert!(
                message.contains("biases that only some") && message.contains(&some[0][..4]),
                "{message}"
            );
        }
    }

    #[test]
    fn factors_of_another_length_than_half_a_head_are_refused() {
        assert!(config(&llama(), 4).is_ok(), "ones for a head of 8");
        let message = config(&llama(), 2).unwrap_err();
        assert!(message.contains("rope_freqs.weight is [2] of F32, and 4 numbers"), "{message}");
    }
}
