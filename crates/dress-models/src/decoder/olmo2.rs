//! OLMo 2 (arXiv 2501.00656): norms behind attention and feed-forward network and none before them, and a
//! norm over all queries and one over all keys of a layer.

use super::keys::flag;
use super::rule_parts::{Defaults, HeadNorms, NormPlaces, StockWidth};
use super::{Biases, DecoderConfig, FamilyRules, layer_types};
use crate::config_json::{ConfigJson, Unsupported};
use serde_json::{Value, json};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "olmo2",
    class: "Olmo2",
    architecture: "Olmo2ForCausalLM",
    defaults: Defaults { epsilon: 1e-5, ..Defaults::USUAL },
    stock_width: StockWidth::HeadsOutsideTransformers,
    can_have: Biases { heads: true, attention_output: true, feed_forward: false },
    head_norms: HeadNorms::All,
    norms: NormPlaces::Behind,
    read,
    write,
    ..FamilyRules::USUAL
};

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.biases = Biases::of_keys(flag(raw, "attention_bias")?, false);
    Ok(())
}

fn write(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let mut keys = layer_types::write(config);
    keys.extend(config.biases.heads.then_some(("attention_bias", json!(true))));
    keys
}
