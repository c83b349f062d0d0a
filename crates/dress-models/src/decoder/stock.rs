//! Which shapes stock software accepts.

use super::DecoderConfig;
use super::rule_parts::StockWidth;
use crate::shape::check_width_is_heads;
use dress_core::{Error, MultipleOf, StockTarget};

impl DecoderConfig {
    /// What the width has to be a multiple of.
    pub(super) fn width_multiple(&self) -> MultipleOf {
        match self.family.stock_width {
            StockWidth::Any => MultipleOf::ONE,
            StockWidth::MultipleOfHeads => MultipleOf::all(self.num_attention_heads),
            StockWidth::HeadsOutsideTransformers => {
                let transformers = if self.long_rope.is_some() { self.head_dim } else { 1 };
                MultipleOf { all: self.head_dim, transformers }
            }
        }
    }

    /// Checks that `target` accepts this shape. `transformers`, vLLM and llama.cpp read a `head_dim` for most
    /// families. The `LlamaConfig` of `transformers` wants the width to be a multiple of the head count all
    /// the same, of Qwen2 and Phi-3 the others divide the width by the heads, and with LongRoPE so does the
    /// `Phi3Config` of `transformers`.
    ///
    /// # Errors
    /// [`Error::Shape`] with the nearest shapes that fit.
    pub fn check_stock(&self, target: StockTarget) -> Result<(), Error> {
        let architecture = self.family.architecture;
        self.widths.check_stock(architecture, target)?;
        match self.family.stock_width {
            StockWidth::Any => Ok(()),
            StockWidth::MultipleOfHeads => self.check_multiple_of_heads(target),
            StockWidth::HeadsOutsideTransformers => {
                let shape = [self.hidden_size, self.num_attention_heads, self.head_dim];
                let who = match (self.long_rope.is_some(), target) {
                    (true, _) => "stock software",
                    (false, StockTarget::Transformers) => return Ok(()),
                    _ => "software other than transformers (`stock = transformers` accepts this shape)",
                };
                check_width_is_heads(architecture, target, shape, who)
            }
        }
    }

    fn check_multiple_of_heads(&self, target: StockTarget) -> Result<(), Error> {
        let (width, heads) = (self.hidden_size, self.num_attention_heads);
        if width.is_multiple_of(heads) || target == StockTarget::Dress {
            return Ok(());
        }
        let (below, above) = (width / heads * heads, width.div_ceil(heads) * heads);
        let reason = format!(
            "hidden_size {width} is not a multiple of num_attention_heads {heads}, which stock transformers \
             refuses; the nearest widths that fit are {below} and {above}"
        );
        Err(Error::Shape { architecture: self.family.architecture.into(), reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Four heads of 4 on a stream of 12.
    fn config(model_type: &str) -> DecoderConfig {
        let text = format!(
            r#"{{"model_type":"{model_type}","vocab_size":9,"hidden_size":12,"intermediate_size":8,"num_hidden_layers":1,
                "num_attention_heads":4,"num_key_value_heads":2,"head_dim":4}}"#
        );
        DecoderConfig::from_json(&text, Path::new("config.json")).unwrap()
    }

    #[test]
    fn each_family_has_the_rule_of_its_loaders() {
        let accepted = |model_type: &str, width: usize| {
            let mut config = config(model_type);
            config.hidden_size = width;
            [StockTarget::All, StockTarget::Transformers, StockTarget::Dress]
                .map(|target| config.check_stock(target).is_ok())
        };
        for (model_type, of_12, of_13) in [
            ("llama", [true; 3], [false, false, true]),
            ("mistral", [true; 3], [true; 3]),
            ("qwen2", [false, true, true], [false, true, true]),
            ("qwen3", [true; 3], [true; 3]),
        ] {
            assert_eq!([accepted(model_type, 12), accepted(model_type, 13)], [of_12, of_13], "{model_type}");
        }
        assert!(accepted("qwen2", 16)[0]);
    }

    #[test]
    fn a_refusal_says_what_fits() {
        let message = config("qwen2").check_stock(StockTarget::All).unwrap_err().to_string();
        assert!(message.contains("hidden_size 12 is not 4 heads of 4"), "{message}");
    }
}
