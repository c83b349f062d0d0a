//! Which models are mixtures of experts, so that they are refused by a sentence that says so.

use crate::gguf::GgufHeader;
use serde_json::{Map, Value};

/// Keys that say among how many feed-forward networks a token chooses.
const KEYS: [&str; 4] = ["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"];

/// Families of experts whose `model_type` does not say so.
const FAMILIES: [&str; 20] = [
    "dbrx",
    "deepseek_v2",
    "deepseek_v3",
    "deepseek_v32",
    "deepseek_v4",
    "dots1",
    "flex_olmo",
    "gpt_oss",
    "jamba",
    "kimi_linear",
    "llama4",
    "llama4_text",
    "longcat_flash",
    "mimo_v2_flash",
    "minimax",
    "minimax_m2",
    "mistral4",
    "mixtral",
    "qwen3_next",
    "solar_open",
];

/// Whether a configuration is one of experts: by its family, or because it, or a part of it such as
/// `text_config`, says more than one.
pub(crate) fn are_in_config(model_type: &str, config: &Value) -> bool {
    let Some(config) = config.as_object() else { return false };
    let parts = config.values().filter_map(Value::as_object);
    model_type.contains("moe")
        || FAMILIES.contains(&model_type)
        || std::iter::once(config).chain(parts).any(says_several)
}

fn says_several(config: &Map<String, Value>) -> bool {
    let several = |key: &str| config.get(key).and_then(Value::as_f64).is_some_and(|number| number > 1.0);
    config.get("is_moe") != Some(&Value::Bool(false)) && KEYS.into_iter().any(several)
}

/// What a GGUF file with experts is, by its architecture and their number.
pub(crate) fn in_gguf(header: &GgufHeader<'_>) -> Option<String> {
    let architecture = header.metadata.get("general.architecture")?.text()?;
    let count = header.metadata.get(format!("{architecture}.expert_count").as_str())?.unsigned()?;
    (count > 0).then(|| format!("{architecture} of {count} experts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_that_says_several_experts_is_one_of_them_whatever_its_name() {
        for (config, expected) in [
            (json!({ "num_experts": 8 }), true),
            (json!({ "num_local_experts": 16 }), true),
            (json!({ "n_routed_experts": 64 }), true),
            (json!({ "text_config": { "num_local_experts": 16 } }), true),
            (json!({ "ffn_config": { "moe_num_experts": 4 } }), true),
            (json!({ "num_experts": 1 }), false),
            (json!({ "num_experts": null, "n_routed_experts": 0 }), false),
            (json!({ "num_experts": 16384, "is_moe": false }), false),
            (json!({ "num_experts_per_tok": 2 }), false),
        ] {
            assert_eq!(are_in_config("somebody_s", &config), expected, "{config}");
        }
    }
}
