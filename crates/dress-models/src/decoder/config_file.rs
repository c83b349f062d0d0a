//! `config.json` of a checkpoint of this decoder, read and written.

use super::rotary_by_kind::{of_full_attention, with_local_theta};
use super::rotary_keys::{check_partial, rotary_dims};
use super::rule_parts::Activated;
use super::{Biases, DecoderConfig, FamilyRules, Multipliers, SoftCaps, layer_types};
use crate::config_json::{
    ConfigJson, Unsupported, check_not_negative, check_sizes, default_range, key_value_heads,
};
use crate::foreign_keys::{FamilyFacts, check_foreign_keys};
use crate::modules::Activation;
use crate::rope_config::{RopeConfig, rope_config};
use crate::rope_keys_written::in_both_spellings;
use crate::{Error, LayerWidths};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// What is read of `config.json` whatever the family.
#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    tie_word_embeddings: Option<bool>,
    #[serde(default = "default_range")]
    initializer_range: f64,
}

impl RawConfig {
    /// Query heads, key/value heads, and the width of a head.
    fn heads(&self, raw: &ConfigJson, family: &FamilyRules) -> Result<[usize; 3], Unsupported> {
        let (heads, defaults) = (self.num_attention_heads, &family.defaults);
        let is_null = |key: &str| raw.get(key).is_some_and(Value::is_null);
        let missing = defaults.key_value_heads.filter(|_| !is_null("num_key_value_heads"));
        let kv_heads = key_value_heads(heads, self.num_key_value_heads.or(missing))?;
        if defaults.head_dim.is_some() && is_null("head_dim") {
            return Err((
                "head_dim",
                "null is not a number; remove the key, or say how wide a head is".into(),
            ));
        }
        let head_dim = self.head_dim.or(defaults.head_dim).unwrap_or(self.hidden_size / heads);
        if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > 1 << 12 {
            return Err(("head_dim", format!("{head_dim} is not an even number between 2 and 4096")));
        }
        Ok([heads, kv_heads, head_dim])
    }
}

fn check_activation(raw: &ConfigJson, activated: &Activated) -> Result<(), Unsupported> {
    let Activated { key, by, name } = *activated;
    match raw.get(key).filter(|value| !value.is_null()) {
        Some(found) if found.as_str().and_then(Activation::from_name) != Some(by) => {
            Err((key, format!("{found} is not built, only `{name}`")))
        }
        _ => Ok(()),
    }
}

impl DecoderConfig {
    /// Reads the text of a `config.json`, which is LLaMA's where it has no `model_type`; `path` is only named
    /// in errors.
    ///
    /// # Errors
    /// [`Error::ConfigUnreadable`] where a key is missing or malformed, and
    /// [`Error::ConfigUnsupported`] where it asks for something its family does not have.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        ConfigJson::read(text, path, Self::check)
    }

    fn check(read: RawConfig, raw: ConfigJson) -> Result<Self, Unsupported> {
        let model_type = read.model_type.as_deref().unwrap_or("llama");
        let Some(family) = FamilyRules::of(model_type) else {
            return Err(("model_type", format!("`{model_type}` is no family of this decoder")));
        };
        check_activation(&raw, &family.activated)?;
        let positions = read.max_position_embeddings.unwrap_or(family.defaults.positions);
        let sizes = [
            ("vocab_size", read.vocab_size),
            ("hidden_size", read.hidden_size),
            ("intermediate_size", read.intermediate_size),
            ("num_attention_heads", read.num_attention_heads),
            ("max_position_embeddings", positions),
        ];
        check_sizes(read.num_hidden_layers, &sizes)?;
        let rms_norm_eps = read.rms_norm_eps.unwrap_or(family.defaults.epsilon);
        check_not_negative(&[("rms_norm_eps", rms_norm_eps), ("initializer_range", read.initializer_range)])?;
        let [heads, kv_heads, head_dim] = read.heads(&raw, family)?;
        let rope = rope_config(&of_full_attention(&raw, family)?, positions, family.defaults.rope)?;
        let rotary_dims = rotary_dims(&rope, head_dim, family)?;
        if !family.partial_rotary {
            check_partial(&rope, head_dim, family.class)?;
        }
        let facts = FamilyFacts::new(family.class, positions, head_dim).with_own_keys(family.own_keys);
        check_foreign_keys(&raw, &facts)?;
        let widths = LayerWidths::read(&raw, read.num_hidden_layers, read.intermediate_size, kv_heads)?;
        let mut config = Self {
            family,
            vocab_size: read.vocab_size,
            hidden_size: read.hidden_size,
            intermediate_size: read.intermediate_size,
            num_hidden_layers: read.num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim,
            rotary_dims,
            max_position_embeddings: positions,
            rms_norm_eps,
            rope_theta: rope.theta,
            rope_scaling: rope.scaling,
            long_rope: rope.long_rope,
            tie_word_embeddings: read.tie_word_embeddings.unwrap_or(family.defaults.tied),
            biases: Biases::NONE,
            windows: vec![None; read.num_hidden_layers],
            rotates: vec![true; read.num_hidden_layers],
            multipliers: Multipliers::NONE,
            soft_caps: SoftCaps::default(),
            local_theta: None,
            initializer_range: read.initializer_range,
            widths,
            partial: rope.partial,
            raw: raw.clone(),
        };
        (family.read)(&raw, &mut config)?;
        Ok(config)
    }

    /// The text of a `config.json` that stock software reads, with the element type of the
    /// weights beside it.
    ///
    /// # Examples
    /// ```
    /// use dress_models::decoder::DecoderConfig;
    ///
    /// let text = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
    ///     "num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":true}"#;
    /// let mut config = DecoderConfig::from_json(text, "config.json".as_ref())?;
    /// config.hidden_size = 12;
    /// let written = config.to_json("bfloat16");
    /// assert!(written.contains(r#""hidden_size": 12"#) && written.contains(r#""vocab_size": 32"#));
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn to_json(&self, torch_dtype: &str) -> String {
        let mut values = vec![
            ("hidden_size", json!(self.hidden_size)),
            ("intermediate_size", json!(self.intermediate_size)),
            ("num_hidden_layers", json!(self.num_hidden_layers)),
            ("num_attention_heads", json!(self.num_attention_heads)),
            ("num_key_value_heads", json!(self.num_key_value_heads)),
            ("head_dim", json!(self.head_dim)),
            ("rms_norm_eps", json!(self.rms_norm_eps)),
            ("tie_word_embeddings", json!(self.tie_word_embeddings)),
        ];
        values.extend((self.family.write)(self));
        let rope = RopeConfig {
            theta: self.rope_theta,
            scaling: self.rope_scaling,
            long_rope: self.long_rope.clone(),
            partial: self.partial,
        };
        // What was read has passed this.
        let said = of_full_attention(&self.raw, self.family).unwrap_or_else(|_| self.raw.clone());
        let keys = in_both_spellings(&said, &rope);
        values.extend(match self.local_theta {
            Some(theta) => with_local_theta(keys, theta),
            None => keys,
        });
        let written = self.widths.write(self.raw.with(&values));
        let written = match layer_types::is_pattern_stale(self) {
            true => written.without("sliding_window_pattern").without("_sliding_window_pattern"),
            false => written,
        };
        written.to_text(torch_dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::StockTarget;

    const LLAMA3: &str = r#"{"model_type":"llama","vocab_size":128256,"hidden_size":4096,
        "intermediate_size":14336,"num_hidden_layers":32,"num_attention_heads":32,"num_key_value_heads":8,
        "rope_theta":500000.0,"rms_norm_eps":1e-5,"max_position_embeddings":131072,"bos_token_id":128000,
        "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
        "original_max_position_embeddings":8192}}"#;

    fn read(text: &str) -> Result<DecoderConfig, Error> {
        DecoderConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn published_and_transformers_5_configs_mean_the_same() {
        let published = read(LLAMA3).unwrap();
        assert_eq!(published.head_dim, 128);
        let moved = LLAMA3
            .replace(r#""rope_theta":500000.0,"#, "")
            .replace(r#""rope_scaling":{"#, r#""rope_parameters":{"rope_theta":500000.0,"#);
        let v5 = read(&moved).unwrap();
        assert_eq!((v5.rope_theta, v5.rope_scaling), (published.rope_theta, published.rope_scaling));
    }

    #[test]
    fn rope_scaling_may_have_both_names_of_its_type() {
        let both = LLAMA3.replace(r#""rope_type":"llama3""#, r#""type":"llama3","rope_type":"llama3""#);
        let former = LLAMA3.replace("rope_type", "type");
        let expected = read(LLAMA3).unwrap().rope_scaling;
        assert_eq!([&both, &former].map(|text| read(text).unwrap().rope_scaling), [expected, expected]);
    }

    #[test]
    fn numbers_that_make_no_number_of_the_logits_are_errors() {
        for (good, bad, key) in [
            (r#""rope_theta":500000.0"#, r#""rope_theta":0.0"#, "rope_theta"),
            (r#""factor":8.0"#, r#""factor":0.0"#, "factor"),
            (r#""low_freq_factor":1.0"#, r#""low_freq_factor":4.0"#, "low_freq_factor"),
            (r#""rms_norm_eps":1e-5"#, r#""rms_norm_eps":-1e-5"#, "rms_norm_eps"),
            (
                r#""max_position_embeddings":131072"#,
                r#""max_position_embeddings":0"#,
                "max_position_embeddings",
            ),
        ] {
            let text = LLAMA3.replacen(good, bad, 1);
            assert_ne!(text, LLAMA3);
            let message = read(&text).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn writing_keeps_what_pruning_does_not_touch() {
        let mut config = read(LLAMA3).unwrap();
        config.hidden_size = 3072;
        let written: serde_json::Value = serde_json::from_str(&config.to_json("bfloat16")).unwrap();
        assert_eq!(written["bos_token_id"], 128000);
        assert_eq!(written["hidden_size"], 3072);
        assert_eq!(written["head_dim"], 128);
        assert_eq!(written["torch_dtype"], "bfloat16");
    }

    #[test]
    fn a_missing_key_and_an_unbuilt_feature_are_errors_that_name_it() {
        let missing = read(r#"{"vocab_size": 3}"#).unwrap_err().to_string();
        assert!(missing.contains("config.json") && missing.contains("hidden_size"), "{missing}");
        let gelu = read(&LLAMA3.replace(r#""model_type""#, r#""hidden_act":"gelu","model_type""#));
        assert!(gelu.unwrap_err().to_string().contains("hidden_act"));
        let yarn = read(&LLAMA3.replace("llama3", "yarn")).unwrap_err().to_string();
        assert!(yarn.contains("yarn") && yarn.contains("rope_scaling"), "{yarn}");
    }

    #[test]
    fn a_width_stock_software_refuses_names_the_nearest_that_fit() {
        let mut config = read(LLAMA3).unwrap();
        config.hidden_size = 3080;
        let message = config.check_stock(StockTarget::All).unwrap_err().to_string();
        assert!(message.contains("3072") && message.contains("3104"), "{message}");
    }
}
