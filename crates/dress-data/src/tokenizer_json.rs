//! A `tokenizer.json` that is damaged is an error, whatever the library that reads it makes of it.

use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the `tokenizers` library makes of a file's bytes. Version 0.23.2 panics on some damaged files, where
/// an error is wanted.
pub(crate) fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, tokenizers::Error> {
    // That the file is whole, and that every number in it is one, is checked before the library sees it.
    serde_json::from_slice::<Value>(bytes)?;
    guarded(|| tokenizers::Tokenizer::from_bytes(bytes))
}

fn guarded<T>(read: impl FnOnce() -> Result<T, tokenizers::Error>) -> Result<T, tokenizers::Error> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("the library that reads it fails on its parts".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_short_is_an_error() {
        let error = parse(br#"{"version":"1.0","pre_tokenizer":null,"#);
        assert!(error.unwrap_err().to_string().contains("EOF"));
    }

    #[test]
    fn a_number_beyond_all_numbers_is_an_error() {
        let error = parse(br#"{"version":"1.0","decoder":{"type":"Fuse","content":1e999}}"#);
        assert!(error.unwrap_err().to_string().contains("number out of range"));
    }

    #[test]
    fn a_panic_while_reading_is_an_error() {
        let error = guarded::<()>(|| panic!("in the library")).unwrap_err();
        assert!(error.to_string().contains("fails on its parts"));
    }
}
