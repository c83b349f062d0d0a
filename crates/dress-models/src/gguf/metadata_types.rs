//! In which type each value of the metadata has to be written, as llama.cpp demands it.

use super::{GgufHeader, MetadataValue};

/// How a value is written, by GGUF's numbers.
const TYPES: [&str; 13] =
    ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "list", "u64", "i64", "f64"];
const U16: u32 = 2;
const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;

/// Keys with one value, behind the family's name and a dot.
const OF_FAMILY: [(u32, &[&str]); 4] = [
    (
        U32,
        &[
            "context_length",
            "embedding_length",
            "block_count",
            "expert_count",
            "expert_used_count",
            "attention.key_length",
            "attention.value_length",
            "attention.sliding_window",
            "rope.dimension_count",
            "rope.scaling.original_context_length",
        ],
    ),
    (
        F32,
        &[
            "attention.layer_norm_epsilon",
            "attention.layer_norm_rms_epsilon",
            "rope.freq_base",
            "rope.scale_linear",
            "rope.scaling.factor",
            "rope.scaling.attn_factor",
            "embedding_scale",
            "residual_scale",
            "attention.scale",
            "logit_scale",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "rope.freq_base_swa",
        ],
    ),
    (BOOL, &["attention.causal", "rope.scaling.finetuned", "use_parallel_residual"]),
    (TEXT, &["rope.scaling.type"]),
];

/// Keys of a family with one value, or one for each layer.
const OF_LAYERS: [&str; 3] = ["attention.head_count", "attention.head_count_kv", "feed_forward_length"];

/// Keys with one value that are the same for all families.
const OF_ALL: [(u32, &[&str]); 5] = [
    (U16, &["split.no", "split.count"]),
    (I32, &["split.tensors.count"]),
    (
        U32,
        &[
            "general.file_type",
            "tokenizer.ggml.bos_token_id",
            "tokenizer.ggml.eos_token_id",
            "tokenizer.ggml.eot_token_id",
            "tokenizer.ggml.eom_token_id",
            "tokenizer.ggml.unknown_token_id",
            "tokenizer.ggml.padding_token_id",
        ],
    ),
    (
        BOOL,
        &["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_space_prefix"],
    ),
    (TEXT, &["tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.chat_template"]),
];

/// Lists, and in which types their elements may be written.
const LISTS: [(&str, &[u32]); 4] = [
    ("tokenizer.ggml.tokens", &[TEXT]),
    ("tokenizer.ggml.merges", &[TEXT]),
    ("tokenizer.ggml.scores", &[F32]),
    ("tokenizer.ggml.token_type", &[I32, U32]),
];

/// Checks every value that is read, and names the key of the first that is written in another type.
pub(super) fn check(header: &GgufHeader<'_>, family: &str) -> Result<(), String> {
    for (wanted, keys) in OF_FAMILY {
        keys.iter().try_for_each(|key| single(header, &format!("{family}.{key}"), wanted))?;
    }
    for (wanted, keys) in OF_ALL {
        keys.iter().try_for_each(|key| single(header, key, wanted))?;
    }
    for key in OF_LAYERS {
        each_layer(header, family, &format!("{family}.{key}"))?;
    }
    LISTS.iter().try_for_each(|(key, elements)| list(header, key, elements))
}

fn single(header: &GgufHeader<'_>, key: &str, wanted: u32) -> Result<(), String> {
    match header.written.get(key) {
        Some(&found) if found != wanted => Err(wrong(header, key, TYPES[wanted as usize])),
        _ => Ok(()),
    }
}

fn list(header: &GgufHeader<'_>, key: &str, elements: &[u32]) -> Result<(), String> {
    match header.metadata.get(key) {
        Some(MetadataValue::Array(list)) if elements.contains(&list.kind) => Ok(()),
        Some(_) => Err(wrong(header, key, &format!("a list of {}", TYPES[elements[0] as usize]))),
        None => Ok(()),
    }
}

fn each_layer(header: &GgufHeader<'_>, family: &str, key: &str) -> Result<(), String> {
    let Some(MetadataValue::Array(found)) = header.metadata.get(key) else {
        return single(header, key, U32);
    };
    list(header, key, &[U32, I32])?;
    let layers = header.metadata.get(format!("{family}.block_count").as_str());
    match layers.and_then(|layers| layers.unsigned()) {
        Some(layers) if layers != found.len() => {
            Err(format!("its metadata has {} numbers as `{key}` for {layers} layers; {AGAIN}", found.len()))
        }
        _ => Ok(()),
    }
}

fn wrong(header: &GgufHeader<'_>, key: &str, wanted: &str) -> String {
    let name = |kind: u32| TYPES.get(kind as usize).copied().unwrap_or("a type of its own");
    let found = match header.metadata.get(key) {
        Some(MetadataValue::Array(list)) => format!("a list of {}", name(list.kind)),
        _ => header.written.get(key).map_or("nothing", |&kind| name(kind)).to_string(),
    };
    format!("its metadata has `{key}` as {found}, and only {wanted} is read there; {AGAIN}")
}

const AGAIN: &str = "convert the Hugging Face checkpoint anew, or use that";

#[cfg(test)]
mod tests {
    use super::super::written::{Entry, header_of};
    use super::*;

    #[test]
    fn values_in_the_types_of_published_files_are_read() {
        let bytes = header_of(&[
            ("llama.block_count", Entry::U32(2)),
            ("llama.rope.freq_base", Entry::F32(1e4)),
            ("llama.attention.head_count", Entry::Numbers(vec![4, 4])),
            ("tokenizer.ggml.add_bos_token", Entry::Bool(true)),
            ("tokenizer.ggml.tokens", Entry::Texts(vec!["a".into()])),
            ("general.name", Entry::U32(7)),
        ]);
        assert_eq!(check(&GgufHeader::parse(&bytes).unwrap(), "llama"), Ok(()));
    }

    #[test]
    fn a_value_in_another_type_is_refused_by_its_key() {
        let cases = [
            ("llama.block_count", Entry::I32(2), "as i32, and only u32"),
            ("llama.rope.freq_base", Entry::U32(10_000), "as u32, and only f32"),
            ("llama.rope.scaling.type", Entry::Bool(true), "as bool, and only string"),
            ("llama.attention.key_length", Entry::Numbers(vec![8]), "as a list of i32, and only u32"),
            ("llama.attention.head_count", Entry::Text("4".into()), "as string, and only u32"),
            ("tokenizer.ggml.add_eos_token", Entry::U32(1), "as u32, and only bool"),
            ("tokenizer.ggml.scores", Entry::Numbers(vec![0]), "as a list of i32, and only a list of f32"),
            ("tokenizer.ggml.tokens", Entry::Text("a".into()), "as string, and only a list of string"),
            ("split.count", Entry::U32(2), "as u32, and only u16"),
        ];
        for (key, entry, says) in cases {
            let bytes = header_of(&[(key, entry)]);
            let message = check(&GgufHeader::parse(&bytes).unwrap(), "llama").unwrap_err();
            assert!(message.contains(&format!("`{key}`")) && message.contains(says), "{message}");
        }
    }

    #[test]
    fn a_number_for_each_layer_is_one_for_each_layer() {
        let bytes = header_of(&[
            ("llama.block_count", Entry::U32(3)),
            ("llama.attention.head_count", Entry::Numbers(vec![4, 4])),
        ]);
        let message = check(&GgufHeader::parse(&bytes).unwrap(), "llama").unwrap_err();
        assert!(message.contains("2 numbers as `llama.attention.head_count` for 3 layers"), "{message}");
    }
}
