//! A long text in pieces that give the same ids as the whole.
//!
//! A cut is made before a space that stands between two letters or digits, where no token of the vocabulary
//! reaches over such a place. A piece is tokenized behind the end of the one before it, whose ids are then
//! taken off: so nothing that a tokenizer puts before a text comes twice. A cut at which the ids before it
//! change with what follows is not made.

use crate::Error;
use tokenizers::{Encoding, Tokenizer};

/// Texts up to here are tokenized as they are.
const WHOLE: usize = 64 << 10;
/// Bytes of the first piece, and of the longest; each is twice the one before.
const FIRST: usize = 4 << 10;
const LONGEST: usize = 256 << 10;
/// Bytes before a cut that a piece is tokenized behind.
const CONTEXT: usize = 512;

/// Ids of a text, with the byte at which each token ends; special tokens end at 0.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub ids: Vec<u32>,
    pub ends: Vec<usize>,
}

impl Ids {
    fn of(encoding: &Encoding) -> Self {
        let ends = encoding.get_offsets().iter().map(|&(_, end)| end).collect();
        Self { ids: encoding.get_ids().to_vec(), ends }
    }

    /// Adds those from `from` on, of a text that begins `before` bytes ahead of `at`.
    fn add(&mut self, piece: &Self, from: usize, at: usize, before: usize) {
        self.ids.extend_from_slice(&piece.ids[from..]);
        self.ends.extend(piece.ends[from..].iter().map(|end| (at + end).saturating_sub(before)));
    }
}

/// Whether no token holds a space behind a letter or digit, however the vocabulary writes a space.
pub(crate) fn keeps_words_apart(tokenizer: &Tokenizer) -> bool {
    let is_space = |c: char| matches!(c, ' ' | '\u{120}' | '\u{2581}');
    let crosses = |token: &str| {
        let mut before = None;
        token.chars().any(|c| {
            let crosses = is_space(c) && before.is_some_and(|before| !is_space(before) && !is_mark(before));
            before = Some(c);
            crosses
        })
    };
    let added = tokenizer.get_added_tokens_decoder();
    !tokenizer.get_vocab(false).keys().any(|token| crosses(token))
        && !added.values().any(|token| crosses(&token.content))
}

/// White space and what is neither letter nor digit, as text and as byte-level vocabularies write it.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_whitespace() || ('\u{100}'..'\u{120}').contains(&c)
}

/// The first `wanted` ids of a text or more, or all: the same as of the whole text.
pub(crate) fn first_ids(
    tokenizer: &Tokenizer,
    text: &str,
    special: bool,
    wanted: usize,
) -> Result<Ids, Error> {
    let encode = |text: &str, special: bool| {
        let encoding = tokenizer.encode(text, special);
        encoding.map(|ids| Ids::of(&ids)).map_err(|error| Error::Tokenize { reason: error.to_string() })
    };
    if text.len() <= WHOLE || !keeps_words_apart(tokenizer) {
        return encode(text, special);
    }
    let cuts = Cuts { text, encode: &|text| Ok(encode(text, false)?.ids) };
    let mut end = cuts.after(0, FIRST)?;
    let mut found = encode(&text[..end], false)?;
    let Some((before, after)) = around(&found, &encode(&text[..end], special)?) else {
        return encode(text, special);
    };
    found.ids.splice(..0, before.iter().copied());
    found.ends.splice(..0, before.iter().map(|_| 0));
    let mut size = FIRST;
    while end < text.len() {
        if found.ids.len() >= wanted {
            return Ok(found);
        }
        size = (2 * size).min(LONGEST);
        let (start, next) = (cuts.context(end), cuts.after(end, size)?);
        let known = encode(&text[start..end], false)?.ids.len();
        found.add(&encode(&text[start..next], false)?, known, end, end - start);
        end = next;
    }
    found.ends.extend(after.iter().map(|_| 0));
    found.ids.extend(after);
    Ok(found)
}

/// The special tokens before and after a text's own.
fn around(plain: &Ids, special: &Ids) -> Option<(Vec<u32>, Vec<u32>)> {
    let more = special.ids.len().checked_sub(plain.ids.len())?;
    let at = (0..=more).find(|&at| special.ids[at..].starts_with(&plain.ids))?;
    Some((special.ids[..at].to_vec(), special.ids[at + plain.ids.len()..].to_vec()))
}

/// Where a text can be cut.
struct Cuts<'a> {
    text: &'a str,
    encode: &'a dyn Fn(&str) -> Result<Vec<u32>, Error>,
}

impl Cuts<'_> {
    /// The first cut `size` bytes behind `start` or later, or the text's end.
    fn after(&self, start: usize, size: usize) -> Result<usize, Error> {
        let mut at = start.saturating_add(size);
        while let Some(cut) = self.next(at) {
            if self.holds(cut)? {
                return Ok(cut);
            }
            at = cut + 1;
        }
        Ok(self.text.len())
    }

    /// The first space between two letters or digits from `at` on.
    fn next(&self, at: usize) -> Option<usize> {
        let at = (at..self.text.len()).find(|&at| self.text.is_char_boundary(at))?;
        let spaces = self.text[at..].match_indices(' ').map(|(index, _)| at + index);
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        spaces.into_iter().find(|&cut| {
            is_word(self.text[..cut].chars().next_back()) && is_word(self.text[cut + 1..].chars().next())
        })
    }

    /// Where the text begins that a piece from `cut` on is tokenized behind: at a space, as the pieces do.
    fn context(&self, cut: usize) -> usize {
        let from = (0..=cut.saturating_sub(CONTEXT)).rev().find(|&at| self.text.is_char_boundary(at));
        self.next(from.unwrap_or(0)).filter(|&at| at < cut).unwrap_or(from.unwrap_or(0))
    }

    /// Whether the ids before a cut stay what they are when the text goes on.
    fn holds(&self, cut: usize) -> Result<bool, Error> {
        let end = (cut + CONTEXT).min(self.text.len());
        let end = (end..=self.text.len()).find(|&at| self.text.is_char_boundary(at)).unwrap_or(end);
        let start = self.context(cut);
        let (before, both) = ((self.encode)(&self.text[start..cut])?, (self.encode)(&self.text[start..end])?);
        Ok(both.starts_with(&before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const TOKENIZERS: [(&str, &[u8]); 4] = [
        ("llama2", include_bytes!("../../../examples/models/llama2-kjv/tokenizer.json")),
        ("llama3", include_bytes!("../../../examples/models/llama3-kjv/tokenizer.json")),
        ("opt", include_bytes!("../../../examples/models/opt-kjv/tokenizer.json")),
        ("phi2", include_bytes!("../../../examples/models/phi2-kjv/tokenizer.json")),
    ];
    const WORDS: [&str; 18] = [
        "the",
        "Lord's",
        "42",
        "über",
        "e\u{301}tude",
        "漢字かな。",
        "<s>",
        "</s>",
        "<|endoftext|>",
        "  ",
        "\n\n",
        "\t",
        "x=y;",
        "...\n",
        "👩‍👩‍👧",
        "antidisestablishmentarianism",
        "don't",
        "\u{a0}",
    ];

    fn mixed(seed: u64, length: usize) -> String {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut text = String::new();
        while text.len() < length {
            text += WORDS[rng.random_range(0..WORDS.len())];
            text += if rng.random_range(0..5) == 0 { "" } else { " " };
        }
        text
    }

    #[test]
    fn pieces_give_the_ids_and_ends_of_the_whole_on_every_kind_of_tokenizer() {
        for (name, json) in TOKENIZERS {
            let tokenizer = Tokenizer::from_bytes(json).unwrap();
            assert!(keeps_words_apart(&tokenizer), "{name}: nothing is cut");
            for (seed, special) in [(1, true), (2, false), (3, true)] {
                let text = mixed(seed, 150_000);
                let whole = Ids::of(&tokenizer.encode(text.as_str(), special).unwrap());
                let pieces = first_ids(&tokenizer, &text, special, usize::MAX).unwrap();
                assert!(pieces == whole, "{name}, text {seed}");
                let first = first_ids(&tokenizer, &text, special, 100).unwrap();
                assert!((100..whole.ids.len() / 4).contains(&first.ids.len()), "{name}: {}", first.ids.len());
                assert!(whole.ids.starts_with(&first.ids) && whole.ends.starts_with(&first.ends), "{name}");
            }
        }
    }

    #[test]
    fn a_text_without_a_place_to_cut_is_tokenized_whole() {
        let tokenizer = Tokenizer::from_bytes(TOKENIZERS[1].1).unwrap();
        let text = "漢字。".repeat(10_000);
        let whole = Ids::of(&tokenizer.encode(text.as_str(), true).unwrap());
        assert!(first_ids(&tokenizer, &text, true, 10).unwrap() == whole);
    }

    #[test]
    fn a_vocabulary_with_tokens_over_two_words_is_not_cut() {
        let json = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
          "pre_tokenizer":null,"post_processor":null,"decoder":null,
          "model":{"type":"WordLevel","vocab":{"of▁the":0,"<unk>":1},"unk_token":"<unk>"}}"#;
        assert!(!keeps_words_apart(&Tokenizer::from_bytes(json).unwrap()));
    }
}
