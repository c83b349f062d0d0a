//! A `tokenizer.json` that is damaged is an error, where the library that reads it would panic.

use serde::de::IgnoredAny;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the `tokenizers` library makes of a file's bytes. Version 0.23.2 panics where the file ends inside its `decoder`, and where
/// the character map of a `Precompiled` normalizer is damaged.
pub(crate) fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, tokenizers::Error> {
    serde_json::from_slice::<IgnoredAny>(bytes)?;
    catch_unwind(AssertUnwindSafe(|| tokenizers::Tokenizer::from_bytes(bytes)))
        .unwrap_or_else(|_| Err("the library that reads it fails on its parts".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_in_its_decoder_is_an_error() {
        let error = parse(br#"{"version":"1.0","pre_tokenizer":null,"post_processor":null,"decoder":"#);
        assert!(error.unwrap_err().to_string().contains("EOF"));
    }

    #[test]
    fn a_damaged_character_map_is_an_error() {
        let json = br#"{"version":"1.0","normalizer":{"type":"Precompiled","precompiled_charsmap":"!"},
            "model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}"#;
        assert!(parse(json).is_err());
    }
}
