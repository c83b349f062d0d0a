//! Granite 3: LLaMA with four multipliers (arXiv 2203.03466): of the embedding, of what each part of a layer
//! adds, of the scores, and of the logits.

use super::rule_parts::StockWidth;
use super::{Biases, DecoderConfig, FamilyRules, Multipliers, llama};
use crate::config_json::{ConfigJson, Unsupported};

pub(super) static RULES: FamilyRules = FamilyRules {
    model_type: "granite",
    class: "Granite",
    architecture: "GraniteForCausalLM",
    own_keys: &["embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"],
    stock_width: StockWidth::HeadsOutsideTransformers,
    can_have: Biases { heads: true, attention_output: true, feed_forward: true },
    read,
    write: llama::write,
    ..FamilyRules::USUAL
};

fn read(raw: &ConfigJson, config: &mut DecoderConfig) -> Result<(), Unsupported> {
    config.biases = llama::biases(raw)?;
    config.multipliers = Multipliers {
        embedding: factor(raw, "embedding_multiplier")?,
        residual: factor(raw, "residual_multiplier")?,
        attention: Some(factor(raw, "attention_multiplier")?),
        logits: 1.0 / factor(raw, "logits_scaling")?,
    };
    Ok(())
}

/// A key that multiplies, and is one where it is not there.
fn factor(raw: &ConfigJson, key: &'static str) -> Result<f64, Unsupported> {
    let Some(value) = raw.get(key) else { return Ok(1.0) };
    match value.as_f64() {
        Some(factor) if factor > 0.0 && factor.is_finite() => Ok(factor),
        _ => Err((key, format!("{value} is not a number above 0"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn multipliers_are_one_where_nothing_says_otherwise_and_never_zero() {
        let text = r#"{"model_type":"granite","vocab_size":9,"hidden_size":16,"intermediate_size":12,
            "num_hidden_layers":1,"num_attention_heads":4,"logits_scaling":8.0}"#;
        let read = |text: &str| DecoderConfig::from_json(text, Path::new("config.json"));
        let Multipliers { embedding, residual, attention, logits } = read(text).unwrap().multipliers;
        assert_eq!((embedding, residual, attention, logits), (1.0, 1.0, Some(1.0), 0.125));
        let message = read(&text.replace("8.0", "0.0")).unwrap_err().to_string();
        assert!(message.contains("logits_scaling"), "{message}");
    }
}
