//! Blocks of a text that do not overlap, in random order.

use crate::large_lines::LargeLines;
use crate::{Corpus, Error, SampleConfig, Tokenizer};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;

/// Bytes up to which a text is always tokenized whole, and bytes a token that is drawn.
const LARGE: usize = 2 << 20;
const LARGE_PER_TOKEN: usize = 256;
/// Bytes of a stretch that one block is taken from: a token, and at least.
const STRETCH_PER_TOKEN: usize = 32;
const SHORTEST_STRETCH: usize = 4 << 10;

/// `config.samples` blocks of the text as it stands, rows of JSON joined by `config.join`, each token in one
/// block at most until all are drawn; then the text is cut anew from another offset. Up to `held_back` blocks
/// that share no token with them follow.
pub(crate) fn disjoint_blocks(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    config: &SampleConfig,
    held_back: usize,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, Error> {
    let seqlen = config.seqlen;
    let text = Text::of(corpus, &config.join)?;
    if let Some(blocks) = blocks_of_a_large_text(&text, tokenizer, config, held_back, rng)? {
        return Ok(blocks);
    }
    let ids = tokenizer.first_ids(&text.whole()?, !corpus.is_by_template(), usize::MAX)?.ids;
    if ids.len() < seqlen {
        return Err(Error::ShorterThanOneBlock { path: corpus.path().into(), found: ids.len(), seqlen });
    }
    let whole = ids.len() / seqlen;
    if whole < config.samples {
        tracing::warn!(
            "{} holds {whole} blocks of {seqlen} tokens and {} are drawn: some tokens are seen more than once; give a longer text, or fewer `samples` or a shorter `seqlen`",
            corpus.path().display(),
            config.samples
        );
    }
    let (mut blocks, mut offset) = (Vec::new(), 0);
    while blocks.len() < config.samples {
        let mut pass: Vec<&[u32]> = ids[offset..].chunks_exact(seqlen).collect();
        pass.shuffle(rng);
        // Only what the first cut leaves over was in no block before.
        let more = if blocks.is_empty() { held_back } else { 0 };
        pass.truncate((config.samples - blocks.len()).saturating_add(more));
        blocks.extend(pass.into_iter().map(<[u32]>::to_vec));
        // Some offset at which there is a block left.
        offset = rng.random_range(0..seqlen.min(ids.len() - seqlen + 1));
    }
    Ok(blocks)
}

/// A text that is held, or lines that are not with what stands between two.
enum Text<'a> {
    Held(Cow<'a, str>),
    Large(&'a LargeLines, &'a str),
}

impl<'a> Text<'a> {
    fn of(corpus: &'a Corpus, join: &'a str) -> Result<Self, Error> {
        Ok(match corpus.large() {
            Some(lines) => Self::Large(lines, join),
            None => Self::Held(corpus.text(join)?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Held(text) => text.len(),
            Self::Large(lines, join) => lines.length(join) as usize,
        }
    }

    fn whole(&self) -> Result<Cow<'_, str>, Error> {
        match self {
            Self::Held(text) => Ok(Cow::Borrowed(text)),
            Self::Large(lines, join) => Ok(lines.joined(join, 0, u64::MAX)?.0.into()),
        }
    }

    /// The `bytes` bytes from `start` on, from the first word that begins there.
    fn words(&self, start: usize, bytes: usize) -> Result<Cow<'_, str>, Error> {
        match self {
            Self::Held(text) => Ok(words_of(text, start, bytes, start > 0).into()),
            Self::Large(lines, join) => {
                let (text, begins) = lines.joined(join, start as u64, (start + bytes) as u64)?;
                Ok(words_of(&text, start - begins as usize, bytes, start > 0).to_string().into())
            }
        }
    }
}

/// One block from each of as many stretches, drawn at random, as there are samples, where the text is so much
/// longer than what is drawn that tokenizing it all would be in vain. Stretches do not overlap, so neither do
/// blocks. None for a shorter text, or where too few stretches hold a block. What is held back comes from
/// further stretches.
fn blocks_of_a_large_text(
    text: &Text<'_>,
    tokenizer: &Tokenizer,
    config: &SampleConfig,
    held_back: usize,
    rng: &mut impl Rng,
) -> Result<Option<Vec<Vec<u32>>>, Error> {
    let wanted = config.samples.saturating_mul(config.seqlen);
    if text.len() <= LARGE.max(wanted.saturating_mul(LARGE_PER_TOKEN)) {
        return Ok(None);
    }
    let bytes = config.seqlen.saturating_mul(STRETCH_PER_TOKEN).max(SHORTEST_STRETCH);
    let mut stretches: Vec<usize> = (0..text.len() / bytes).collect();
    let mut own = ChaCha8Rng::seed_from_u64(rng.random());
    stretches.shuffle(&mut own);
    let mut blocks = Vec::new();
    for stretch in stretches {
        let words = text.words(stretch * bytes, bytes)?;
        let mut ids = tokenizer.first_ids(&words, false, config.seqlen)?.ids;
        if ids.len() >= config.seqlen {
            ids.truncate(config.seqlen);
            blocks.push(ids);
        }
        if blocks.len() == config.samples.saturating_add(held_back) {
            break;
        }
    }
    Ok((blocks.len() >= config.samples).then_some(blocks))
}

/// The `bytes` bytes of a text from `start` on; from the first word that begins there, where a word may have
/// begun before.
fn words_of(text: &str, start: usize, bytes: usize, within: bool) -> &str {
    let boundary = |at: usize| (at..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    let stretch = &text[boundary(start)..boundary(start + bytes)];
    match within {
        false => stretch,
        true => &stretch[stretch.find(char::is_whitespace).unwrap_or(0)..],
    }
}

#[cfg(test)]
mod tests {
    use crate::corpus::tests::corpus;
    use crate::tokenizer::tests::words;
    use crate::{Corpus, CorpusFormat, RowText, SampleConfig, calibration_blocks};
    use dress_core::Draw;

    fn draw(text: &str, samples: usize, seqlen: usize, seed: u64) -> Vec<Vec<u32>> {
        let config = SampleConfig { samples, seqlen, seed, draw: Draw::Blocks, ..SampleConfig::default() };
        calibration_blocks(&corpus("corpus.txt", text), &words(), &config).unwrap().blocks
    }

    #[test]
    fn no_token_is_drawn_twice_while_others_are_left() {
        let drawn = draw("w0 w1\n\nw2 w3\nw4 w5 w6 w7", 4, 2, 1);
        let mut sorted = drawn.clone();
        sorted.sort();
        assert_eq!(sorted, [[0, 2], [3, 4], [5, 6], [7, 8]]);
        assert_eq!(draw("w0 w1\n\nw2 w3\nw4 w5 w6 w7", 4, 2, 1), drawn);
        assert!((2..9).any(|seed| draw("w0 w1\n\nw2 w3\nw4 w5 w6 w7", 4, 2, seed) != drawn));
    }

    #[test]
    fn a_text_far_longer_than_what_is_drawn_gives_blocks_by_seed_that_are_apart() {
        let text: String = (0..800_000).map(|i| format!("w{} ", i % 10)).collect();
        assert!(text.len() > super::LARGE);
        let drawn = draw(&text, 8, 16, 1);
        assert_eq!((drawn.len(), drawn.iter().all(|block| block.len() == 16)), (8, true));
        assert!(drawn.iter().all(|block| block.windows(2).all(|two| (two[0] - 1) % 10 + 2 == two[1])));
        assert_eq!(draw(&text, 8, 16, 1), drawn);
    }

    #[test]
    fn lines_that_are_not_held_give_the_blocks_that_the_seed_gives_where_they_are() {
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("a.jsonl");
        let row = |i: usize| format!("{{\"text\":\"{}\"}}\n", "w1 é w2 w3 漢 w4 ".repeat(i % 90));
        std::fs::write(&path, (0..5_000).map(row).collect::<String>()).unwrap();
        let read = |held| Corpus::read_held(&path, CorpusFormat::Auto, &RowText::default(), held).unwrap();
        let (held, large) = (read(u64::MAX), read(0));
        assert!(large.text("").unwrap().len() > super::LARGE);
        for (draw, samples) in [(Draw::Blocks, 4), (Draw::Blocks, 1000), (Draw::Rows, 20)] {
            let config = SampleConfig { samples, seqlen: 16, seed: 3, draw, ..SampleConfig::default() };
            let blocks = |corpus| calibration_blocks(corpus, &words(), &config).unwrap();
            assert!(blocks(&large) == blocks(&held), "{draw} {samples}");
        }
    }

    #[test]
    fn more_blocks_than_there_are_come_from_other_offsets() {
        let drawn = draw("w0 w1 w2 w3 w4", 40, 3, 1);
        assert_eq!(drawn.len(), 40);
        assert!(drawn.iter().all(|block| block.windows(2).all(|pair| pair[1] > pair[0])));
        let all: std::collections::BTreeSet<_> = drawn.into_iter().collect();
        assert!(all.len() > 2, "only {all:?}");
        assert_eq!(draw("w0 w1", 3, 3, 1).len(), 3);
    }
}
