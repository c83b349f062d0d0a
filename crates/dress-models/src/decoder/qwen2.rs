//! Qwen2 and Qwen2.5 (arXiv 2407.10671): queries, keys and values have biases, and no other projection has.

use super::rule_parts::{Defaults, StockWidth};
use super::{Biases, DecoderConfig, FamilyRules, layer_types};
use crate::config_json::{ConfigJson, Unsupported};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "qwen2",
    class: "Qwen2",
    architecture: "Qwen2ForCausalLM",
    defaults: Defaults { positions: 32_768, key_value_heads: Some(32), ..Defaults::USUAL },
    own_keys: &["sliding_window", "layer_types"],
    stock_width: StockWidth::HeadsOutsideTransformers,
    read,
    write: layer_types::write_of_qwen,
    ..FamilyRules::USUAL
};

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.biases = Biases { heads: true, ..Biases::NONE };
    layer_types::read_of_qwen(raw, config)
}
