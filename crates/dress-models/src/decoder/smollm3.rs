//! SmolLM3: LLaMA with layers that turn neither queries nor keys (NoPE, arXiv 2501.18795), every fourth of
//! them unless a list says which.

use super::keys::{flag, size};
use super::rule_parts::Defaults;
use super::{Biases, DecoderConfig, FamilyRules, layer_types, llama};
use crate::config_json::{ConfigJson, Unsupported};
use crate::rope_config::RopeDefaults;
use serde_json::{Value, json};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "smollm3",
    class: "SmolLM3",
    architecture: "SmolLM3ForCausalLM",
    defaults: Defaults {
        positions: 32_768,
        key_value_heads: Some(4),
        tied: true,
        rope: RopeDefaults { theta: 2_000_000.0, ..RopeDefaults::USUAL },
        ..Defaults::USUAL
    },
    own_keys: &["no_rope_layers", "no_rope_layer_interval", "sliding_window", "layer_types"],
    can_have: Biases { heads: true, attention_output: true, feed_forward: true },
    read,
    write,
    ..FamilyRules::USUAL
};

const KEY: &str = "no_rope_layers";

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.biases = llama::biases(raw)?;
    config.rotates = rotates(raw, config.num_hidden_layers)?;
    let window = size(raw, "sliding_window", None)?;
    let still: Vec<bool> = config.rotates.iter().map(|rotates| !rotates).collect();
    // Stock's masks go by a list alone, which it makes by `use_sliding_window` where the file has none.
    let used = flag(raw, "use_sliding_window")? && window.is_some();
    config.windows =
        layer_types::windows(raw, config.num_hidden_layers, window, |layer| used && still[layer])?;
    Ok(())
}

/// By layer, whether it turns queries and keys.
fn rotates(raw: &ConfigJson, layers: usize) -> Result<Vec<bool>, Unsupported> {
    let Some(list) = raw.get(KEY).filter(|value| !value.is_null()) else {
        let interval = size(raw, "no_rope_layer_interval", Some(4))?.unwrap_or(4);
        return Ok((1..=layers).map(|number| number % interval != 0).collect());
    };
    let list = list.as_array().filter(|list| list.len() >= layers);
    let list = list.ok_or_else(|| (KEY, format!("it is no list of at least {layers} numbers")))?;
    let rotates = |value: &Value| match (value.as_u64(), value.as_bool()) {
        (Some(0), _) | (_, Some(false)) => Ok(false),
        (Some(1), _) | (_, Some(true)) => Ok(true),
        _ => Err((KEY, format!("{value} is neither 0 nor 1"))),
    };
    list.iter().take(layers).map(rotates).collect()
}

fn write(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let mut keys = llama::write(config);
    keys.push((KEY, config.rotates.iter().map(|&rotates| json!(u8::from(rotates))).collect()));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SMOLLM3: &str = r#"{"model_type":"smollm3","vocab_size":9,"hidden_size":16,"intermediate_size":12,
        "num_hidden_layers":5,"num_attention_heads":4}"#;

    fn read(text: &str) -> Result<DecoderConfig, crate::Error> {
        DecoderConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn every_fourth_layer_turns_nothing_unless_a_list_says_which() {
        let config = read(SMOLLM3).unwrap();
        assert_eq!(config.rotates, [true, true, true, false, true]);
        assert_eq!((config.rope_theta, config.tie_word_embeddings), (2_000_000.0, true));
        let with = |keys: &str| read(&SMOLLM3.replacen('{', &format!("{{{keys},"), 1));
        assert_eq!(with(r#""no_rope_layer_interval":2"#).unwrap().rotates, [true, false, true, false, true]);
        let listed =
            with(r#""no_rope_layers":[0,1,1,1,0,0],"use_sliding_window":true,"sliding_window":7"#).unwrap();
        assert_eq!(listed.rotates, [false, true, true, true, false]);
        assert_eq!(listed.windows, [Some(7), None, None, None, Some(7)]);
        assert_eq!(read(&listed.to_json("float32")).unwrap().rotates, listed.rotates);
        // A list counts whatever `use_sliding_window` says, and without it that does.
        let kinds = r#""layer_types":["full_attention","sliding_attention","full_attention","full_attention","full_attention"]"#;
        let off = r#""use_sliding_window":false,"sliding_window":7"#;
        let listed = with(&format!("{kinds},{off}")).unwrap();
        assert_eq!(listed.windows, [None, Some(7), None, None, None]);
        assert_eq!(read(&listed.to_json("float32")).unwrap().windows, listed.windows);
        assert_eq!(with(off).unwrap().windows, [None; 5]);
        assert!(with(kinds).unwrap_err().to_string().contains("sliding_window"));
        assert!(with(r#""no_rope_layers":[0,1]"#).unwrap_err().to_string().contains("at least 5"));
    }
}
