//! Gemma 2 (arXiv 2408.00118) and the text part of Gemma 3 (arXiv 2503.19786): an embedding that is
//! multiplied by the root of the width, gains that are one more than what is filed, norms before and behind,
//! soft caps, and layers of which some see a window alone, in Gemma 3 with a rotary base of their own.

use super::keys::{flag, size};
use super::rotary_by_kind::local_theta;
use super::rule_parts::{Activated, Defaults, HeadNorms, NormPlaces, StockWidth};
use super::{Biases, DecoderConfig, FamilyRules, SoftCaps, layer_types};
use crate::config_json::{ConfigJson, Unsupported, is_falsy};
use crate::modules::Activation;
use crate::rope_config::RopeDefaults;
use serde_json::{Value, json};

pub(super) static GEMMA2: FamilyRules = FamilyRules {
    model_type: "gemma2",
    class: "Gemma2",
    architecture: "Gemma2ForCausalLM",
    defaults: Defaults { positions: 8192, ..GEMMA },
    read: read_gemma2,
    ..RULES
};

pub(super) static GEMMA3: FamilyRules = FamilyRules {
    model_type: "gemma3_text",
    class: "Gemma3",
    architecture: "Gemma3ForCausalLM",
    defaults: Defaults {
        positions: 131_072,
        rope: RopeDefaults { theta: 1_000_000.0, ..RopeDefaults::USUAL },
        ..GEMMA
    },
    local_theta: true,
    head_norms: HeadNorms::Each,
    read: read_gemma3,
    ..RULES
};

const GEMMA: Defaults =
    Defaults { key_value_heads: Some(4), head_dim: Some(256), tied: true, ..Defaults::USUAL };

const RULES: FamilyRules = FamilyRules {
    own_keys: &[
        "attn_logit_softcapping",
        "final_logit_softcapping",
        "query_pre_attn_scalar",
        "sliding_window",
        "layer_types",
        "rope_local_base_freq",
    ],
    stock_width: StockWidth::MultipleOfHeads,
    can_have: Biases { heads: true, attention_output: true, feed_forward: false },
    norms: NormPlaces::Both,
    activated: Activated { key: "hidden_activation", by: Activation::GeluTanh, name: "gelu_pytorch_tanh" },
    gains_plus_one: true,
    scales_embedding: true,
    write,
    ..FamilyRules::USUAL
};

fn read_gemma2(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.soft_caps = SoftCaps {
        attention: cap(raw, "attn_logit_softcapping", Some(50.0))?,
        logits: cap(raw, "final_logit_softcapping", Some(30.0))?,
    };
    read(raw, config, 2)
}

fn read_gemma3(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    if cap(raw, "attn_logit_softcapping", None)?.is_some() {
        let reason =
            "a cap on Gemma 3's scores is not built, and transformers passes over it; remove the key";
        return Err(("attn_logit_softcapping", reason.into()));
    }
    config.soft_caps.logits = cap(raw, "final_logit_softcapping", None)?;
    config.local_theta = Some(local_theta(raw)?);
    let pattern = size(raw, "sliding_window_pattern", Some(6))?.unwrap_or(6);
    read(raw, config, pattern)
}

/// Every layer of which `pattern` divides the number sees the whole text, where no list says which.
fn read(raw: &ConfigJson, config: &mut DecoderConfig, pattern: usize) -> Result<(), Unsupported> {
    if raw.get("use_bidirectional_attention").is_some_and(|value| !is_falsy(value)) {
        return Err(("use_bidirectional_attention", "attention to later tokens is not built".into()));
    }
    config.biases = Biases::of_keys(flag(raw, "attention_bias")?, false);
    let scalar = size(raw, "query_pre_attn_scalar", Some(256))?.unwrap_or(config.head_dim);
    config.multipliers.attention = Some((scalar as f64).powf(-0.5));
    let window = size(raw, "sliding_window", Some(4096))?;
    config.windows = layer_types::windows(raw, config.num_hidden_layers, window, |layer| {
        window.is_some() && (layer + 1) % pattern != 0
    })?;
    Ok(())
}

/// A number above zero, or null for no cap.
fn cap(raw: &ConfigJson, key: &'static str, missing: Option<f64>) -> Result<Option<f64>, Unsupported> {
    match raw.get(key) {
        None => Ok(missing),
        Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(cap) if cap > 0.0 && cap.is_finite() => Ok(Some(cap)),
            _ => Err((key, format!("{value} is not a number above 0"))),
        },
    }
}

/// The list is always written: without it layers that are all of one kind would be taken for those of the
/// pattern.
fn write(config: &DecoderConfig) -> Vec<(&'static str, Value)> {
    let mut keys = vec![layer_types::list(config)];
    keys.extend(config.biases.heads.then_some(("attention_bias", json!(true))));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const GEMMA_3: &str = r#"{"model_type":"gemma3_text","vocab_size":9,"hidden_size":16,"intermediate_size":12,
        "num_hidden_layers":4,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":8,"sliding_window":6,
        "sliding_window_pattern":2,"rope_theta":1000000.0,"rope_local_base_freq":10000.0,"query_pre_attn_scalar":16,
        "rope_scaling":{"rope_type":"linear","factor":8.0}}"#;

    fn read(text: &str) -> Result<DecoderConfig, crate::Error> {
        DecoderConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn both_spellings_of_two_rotary_bases_mean_the_same() {
        let older = read(GEMMA_3).unwrap();
        assert_eq!(older.windows, [Some(6), None, Some(6), None]);
        assert_eq!((older.rope_theta, older.local_theta), (1_000_000.0, Some(10_000.0)));
        assert!(older.rope_scaling.is_some() && older.multipliers.attention == Some(0.25));
        let newer = GEMMA_3.replace(r#""rope_theta":1000000.0,"rope_local_base_freq":10000.0,"#, "").replace(
            r#""rope_scaling":{"rope_type":"linear","factor":8.0}"#,
            r#""rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":1000000.0},
                    "sliding_attention":{"rope_type":"default","rope_theta":10000.0}}"#,
        );
        for again in [read(&newer).unwrap(), read(&older.to_json("float32")).unwrap()] {
            assert_eq!((again.rope_theta, again.rope_scaling), (older.rope_theta, older.rope_scaling));
            assert_eq!((again.local_theta, again.windows), (older.local_theta, older.windows.clone()));
        }
        let written: Value = serde_json::from_str(&older.to_json("float32")).unwrap();
        assert_eq!(written["rope_parameters"]["sliding_attention"]["rope_theta"], 10_000.0);
        assert_eq!(written["rope_parameters"]["full_attention"]["factor"], 8.0);
    }

    #[test]
    fn a_pattern_that_no_longer_holds_is_not_written() {
        let mut config = read(GEMMA_3).unwrap();
        assert!(config.to_json("float32").contains("sliding_window_pattern"));
        config.windows.remove(0);
        config.rotates.remove(0);
        config.num_hidden_layers = 3;
        let written = config.to_json("float32");
        assert!(!written.contains("sliding_window_pattern") && written.contains("layer_types"), "{written}");
        assert_eq!(read(&written).unwrap().windows, [None, Some(6), None]);
    }

    #[test]
    fn rotary_settings_of_kinds_of_layers_are_gemma_3_s_and_those_of_windows_are_not_stretched() {
        let kinds = |kind: &str| {
            let kinds = format!(
                r#"{{"rope_parameters":{{"full_attention":{{"rope_theta":1000000.0}},
                    "sliding_attention":{{"rope_type":"{kind}","factor":8.0,"rope_theta":10000.0}}}},"#
            );
            GEMMA_3.replacen('{', &kinds, 1)
        };
        assert_eq!(read(&kinds("default")).unwrap().local_theta, Some(10_000.0));
        let stretched = read(&kinds("linear")).unwrap_err().to_string();
        assert!(stretched.contains("rope_parameters") && stretched.contains("linear"), "{stretched}");
        let scaling = r#""rope_scaling":{"rope_type":"linear","factor":8.0}"#;
        let others =
            kinds("default").replace(scaling, r#""rope_scaling":null"#).replace("gemma3_text", "gemma2");
        let message = read(&others).unwrap_err().to_string();
        assert!(message.contains("rope_parameters") && message.contains("full_attention"), "{message}");
    }

    #[test]
    fn layers_that_are_left_of_one_kind_stay_of_it() {
        for model_type in ["gemma2", "gemma3_text"] {
            for left in [[None, None], [Some(6), Some(6)]] {
                let mut config = read(&GEMMA_3.replace("gemma3_text", model_type)).unwrap();
                config.windows = left.to_vec();
                config.rotates.truncate(2);
                config.num_hidden_layers = 2;
                let again = read(&config.to_json("float32")).unwrap();
                assert_eq!(again.windows, left, "{model_type}");
            }
        }
    }

    #[test]
    fn caps_are_gemma_2_s() {
        let gemma_2 =
            GEMMA_3.replace("gemma3_text", "gemma2").replace(r#""rope_local_base_freq":10000.0,"#, "");
        let caps = read(&gemma_2).unwrap().soft_caps;
        assert_eq!((caps.attention, caps.logits), (Some(50.0), Some(30.0)));
        let capped = GEMMA_3.replacen('{', r#"{"attn_logit_softcapping":50.0,"#, 1);
        assert!(read(&capped).unwrap_err().to_string().contains("attn_logit_softcapping"));
        let other = GEMMA_3.replacen('{', r#"{"hidden_activation":"silu","#, 1);
        assert!(read(&other).unwrap_err().to_string().contains("hidden_activation"));
    }
}
