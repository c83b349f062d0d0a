//! LLaMA-2, LLaMA-3 and whatever else is `LlamaForCausalLM`.

use super::keys::flag;
use super::rule_parts::StockWidth;
use super::{Biases, DecoderConfig, FamilyRules, layer_types};
use crate::config_json::{ConfigJson, Unsupported};
use serde_json::{Value, json};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "llama",
    class: "Llama",
    architecture: "LlamaForCausalLM",
    stock_width: StockWidth::MultipleOfHeads,
    can_have: Biases { heads: true, attention_output: true, feed_forward: true },
    read,
    write,
    ..FamilyRules::USUAL
};

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.biases = biases(raw)?;
    Ok(())
}

/// Those that `attention_bias` and `mlp_bias` say.
pub(super) fn biases(raw: &ConfigJson) -> Result<Biases, Unsupported> {
    Ok(Biases::of_keys(flag(raw, "attention_bias")?, flag(raw, "mlp_bias")?))
}

pub(super) fn write(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let biases = [("attention_bias", config.biases.heads), ("mlp_bias", config.biases.feed_forward)];
    let mut keys: Vec<_> =
        biases.into_iter().filter(|(_, has)| *has).map(|(key, has)| (key, json!(has))).collect();
    keys.extend(layer_types::write(config));
    keys
}
