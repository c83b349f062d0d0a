//! Phi-3, Phi-4 and Phi-4-mini (arXiv 2404.14219): LLaMA's layers in files that hold queries, keys and values
//! in one tensor and both projections to the neurons in another, with a share of each head rotated, by
//! LongRoPE where texts are long.

use super::rule_parts::{Defaults, StockWidth};
use super::{DecoderConfig, FamilyRules, layer_types};
use crate::config_json::{ConfigJson, Unsupported};
use crate::rope_config::RopeDefaults;

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "phi3",
    class: "Phi3",
    architecture: "Phi3ForCausalLM",
    defaults: Defaults {
        positions: 4096,
        epsilon: 1e-5,
        rope: RopeDefaults { long_rope: Some(4096), ..RopeDefaults::USUAL },
        ..Defaults::USUAL
    },
    own_keys: &["sliding_window", "layer_types"],
    stock_width: StockWidth::HeadsOutsideTransformers,
    partial_rotary: true,
    fused: true,
    read,
    ..FamilyRules::USUAL
};

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    if config.rope_scaling.is_some() {
        return Err(("rope_scaling", "Phi-3 has no scaling but `longrope`".into()));
    }
    layer_types::read_of_all(raw, config, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::StockTarget;
    use std::path::Path;

    const PHI_4_MINI: &str = r#"{"model_type":"phi3","vocab_size":64,"hidden_size":64,"intermediate_size":48,
        "num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":2,"partial_rotary_factor":0.75,
        "max_position_embeddings":131072,"original_max_position_embeddings":4096,"sliding_window":262144,
        "rope_scaling":{"type":"longrope","short_factor":[1,1,1,1,1,1],"long_factor":[1,2,3,4,5,6]}}"#;

    fn read(text: &str) -> Result<DecoderConfig, crate::Error> {
        DecoderConfig::from_json(text, Path::new("config.json"))
    }

    #[test]
    fn a_share_of_each_head_is_rotated_by_as_many_divisors() {
        let config = read(PHI_4_MINI).unwrap();
        assert_eq!((config.head_dim, config.rotary_dims, config.rms_norm_eps), (16, 12, 1e-5));
        let long_rope = config.long_rope.clone().unwrap();
        assert_eq!((long_rope.long[5], long_rope.original_max_position_embeddings), (6.0, 4096));
        assert_eq!(read(&config.to_json("float32")).unwrap().long_rope, Some(long_rope));
        let message = read(&PHI_4_MINI.replace("0.75", "0.5")).unwrap_err().to_string();
        assert!(message.contains("6 divisors") && message.contains("4 frequencies"), "{message}");
        let linear = PHI_4_MINI.replace(r#""type":"longrope""#, r#""type":"linear","factor":2.0"#);
        assert!(read(&linear).unwrap_err().to_string().contains("longrope"));
    }

    #[test]
    fn a_width_that_is_not_its_heads_has_no_configuration_with_long_rope() {
        let mut config = read(PHI_4_MINI).unwrap();
        config.hidden_size = 56;
        assert!(config.check_stock(StockTarget::Transformers).is_err());
        config.long_rope = None;
        assert!(config.check_stock(StockTarget::Transformers).is_ok());
        assert!(config.check_stock(StockTarget::All).is_err());
    }
}
