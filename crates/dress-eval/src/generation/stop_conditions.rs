//! What ends a text.

use crate::Error;
use dress_data::Tokenizer;

/// What ends a generated text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopConditions {
    /// Texts that end it wherever they come, be it in the middle of a token. They are no part of it.
    pub until: Vec<String>,
    /// Tokens that end it. They are no part of it either.
    pub end_tokens: Vec<u32>,
    /// The most tokens.
    pub max_new_tokens: usize,
}

impl StopConditions {
    /// The text of `tokens` where the last of them ends it, or nothing where it goes on.
    ///
    /// As in `lm_eval`, a special token may be what ends a text, and is not seen in it.
    ///
    /// # Errors
    /// Those of the tokenizer.
    pub(super) fn ended(&self, tokens: &[u32], tokenizer: &Tokenizer) -> Result<Option<String>, Error> {
        let is_end = |token: &u32| self.end_tokens.contains(token);
        if let Some((_, before)) = tokens.split_last().filter(|(last, _)| is_end(last)) {
            return Ok(Some(tokenizer.decode(before)?));
        }
        if self.until.is_empty() && tokens.len() < self.max_new_tokens {
            return Ok(None);
        }
        let shown = tokenizer.decode_all(tokens)?;
        let is_stopped = self.until.iter().any(|stop| shown.contains(stop.as_str()));
        if !is_stopped && tokens.len() < self.max_new_tokens {
            return Ok(None);
        }
        Ok(Some(self.before_stops(&tokenizer.decode(tokens)?)))
    }

    /// What stands before the first stop, of that what stands before the second, and so on.
    fn before_stops(&self, text: &str) -> String {
        let before = |text, stop: &String| str::split(text, stop.as_str()).next().unwrap_or(text);
        self.until.iter().fold(text, before).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const PIECES: [&str; 6] = ["<s>", " Par", "is. The", "\n", "is", ", Te"];

    /// A tokenizer whose ids are the places in [`PIECES`], the first of them special.
    fn tokenizer() -> Tokenizer {
        let vocab: serde_json::Map<String, serde_json::Value> =
            PIECES.iter().enumerate().map(|(id, piece)| (piece.to_string(), id.into())).collect();
        let special = serde_json::json!({"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true});
        let json = serde_json::json!({"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
            "added_tokens": [special], "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<s>"}});
        Tokenizer::from_bytes(json.to_string().as_bytes(), Path::new("pieces.json")).unwrap()
    }

    fn stop(until: &[&str], end_tokens: &[u32], max_new_tokens: usize) -> StopConditions {
        let until = until.iter().map(ToString::to_string).collect();
        StopConditions { until, end_tokens: end_tokens.to_vec(), max_new_tokens }
    }

    fn ended(stop: &StopConditions, tokens: &[u32]) -> Option<String> {
        stop.ended(tokens, &tokenizer()).unwrap()
    }

    #[test]
    fn a_stop_in_the_middle_of_a_token_cuts_the_token() {
        let stop = stop(&["\n", ".", ","], &[], 32);
        assert_eq!(ended(&stop, &[1]), None);
        assert_eq!(ended(&stop, &[1, 2]).unwrap(), " Paris");
        assert_eq!(ended(&stop, &[1, 4, 5]).unwrap(), " Paris");
        assert_eq!(ended(&stop, &[3]).unwrap(), "");
    }

    #[test]
    fn a_stop_may_be_put_together_by_two_tokens() {
        assert_eq!(ended(&stop(&["aris,"], &[], 32), &[1, 4]), None);
        assert_eq!(ended(&stop(&["aris,"], &[], 32), &[1, 4, 5]).unwrap(), " P");
    }

    #[test]
    fn the_most_tokens_and_a_token_of_the_end_stop_too() {
        assert_eq!(ended(&stop(&["."], &[], 2), &[1, 4]).unwrap(), " Paris");
        assert_eq!(ended(&stop(&["."], &[4], 32), &[1, 4]).unwrap(), " Par");
        assert_eq!(ended(&stop(&[], &[0], 32), &[0]).unwrap(), "");
    }

    #[test]
    fn a_special_token_can_be_a_stop_and_is_not_seen() {
        assert_eq!(ended(&stop(&["."], &[], 32), &[1, 0]), None);
        assert_eq!(ended(&stop(&["<s>"], &[], 32), &[1, 0]).unwrap(), " Par");
    }

    #[test]
    fn stops_cut_one_after_the_other() {
        assert_eq!(stop(&["cd", "bc"], &[], 32).before_stops("abcd"), "ab");
        assert_eq!(stop(&["bc", "cd"], &[], 32).before_stops("abcd"), "a");
    }
}
