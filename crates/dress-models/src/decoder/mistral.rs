//! Mistral (arXiv 2310.06825), whose layers may all see a window of the text alone.

use super::rule_parts::Defaults;
use super::{DecoderConfig, FamilyRules, layer_types};
use crate::config_json::{ConfigJson, Unsupported};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "mistral",
    class: "Mistral",
    architecture: "MistralForCausalLM",
    defaults: Defaults { positions: 4096 * 32, key_value_heads: Some(8), ..Defaults::USUAL },
    own_keys: &["sliding_window", "layer_types"],
    read,
    ..FamilyRules::USUAL
};

/// A window that is not said has 4096 keys; null is none.
fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    layer_types::read_of_all(raw, config, Some(4096))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const MISTRAL: &str = r#"{"model_type":"mistral","vocab_size":32000,"hidden_size":4096,"intermediate_size":14336,
        "num_hidden_layers":2,"num_attention_heads":32,"sliding_window":4096}"#;

    fn read(text: &str) -> Result<DecoderConfig, crate::Error> {
        DecoderConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn keys_that_are_missing_mean_what_they_mean_to_transformers() {
        let config = read(MISTRAL).unwrap();
        assert_eq!((config.num_key_value_heads, config.max_position_embeddings), (8, 131_072));
        assert_eq!(config.windows, [Some(4096); 2]);
        assert_eq!(read(&MISTRAL.replace(r#","sliding_window":4096"#, "")).unwrap().windows, [Some(4096); 2]);
        assert_eq!(read(&MISTRAL.replace(":4096}", ":null}")).unwrap().windows, [None; 2]);
    }

    #[test]
    fn a_list_that_contradicts_the_window_is_refused() {
        let list = |kinds: &str| MISTRAL.replacen('{', &format!(r#"{{"layer_types":[{kinds}],"#), 1);
        let both = list(r#""sliding_attention","full_attention""#);
        assert!(read(&both).unwrap_err().to_string().contains("layer_types"));
        assert!(read(&list(r#""sliding_attention","sliding_attention""#)).is_ok());
    }

    #[test]
    fn a_window_of_nothing_or_beyond_reason_is_refused() {
        for window in ["0", "-1", "2.5", "4294967296", "9223372036854775808", "1e30"] {
            let message = read(&MISTRAL.replace(":4096}", &format!(":{window}}}"))).unwrap_err().to_string();
            assert!(message.contains("sliding_window") && message.contains("above 0"), "{message}");
        }
    }
}
