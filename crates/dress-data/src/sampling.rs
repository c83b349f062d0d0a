//! Blocks drawn from a text, for calibration.

use crate::blocks::provenance;
use crate::disjoint::disjoint_blocks;
use crate::json_rows::borrowed;
use crate::large_lines::LargeLines;
use crate::{Corpus, Error, SampleConfig, Tokenizer};
use dress_core::{Calibration, CorpusProvenance, Draw};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::ops::Range;

/// How many starts are tried for each block that is held back.
const TRIES: usize = 32;

/// Blocks drawn from a text as [`Draw`] says.
///
/// With [`Draw::Rows`], each starts at a row drawn at random and runs over as many rows as it takes, joined
/// by `join` and tokenized together with the tokenizer's own special tokens, cut to the length.
/// Empty rows are dropped first, and only rows with enough text behind them are drawn as starts.
///
/// With [`Draw::Blocks`], the whole text is tokenized once, as
/// [`evaluation_blocks`](crate::evaluation_blocks()) does, and no token is in two blocks before all have been
/// in one.
///
/// # Errors
/// [`Error::BlockTooShort`], [`Error::ShorterThanOneBlock`] and [`Error::Tokenize`].
///
/// # Examples
/// ```
/// use dress_data::{Corpus, CorpusFormat, SampleConfig, Tokenizer, calibration_blocks};
///
/// let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");
/// let tokenizer = Tokenizer::from_directory(format!("{models}/llama3-kjv").as_ref())?;
/// let corpus = Corpus::read(format!("{models}/kjv/calibration.txt").as_ref(), CorpusFormat::Auto)?;
/// let config = SampleConfig { samples: 4, seqlen: 64, ..SampleConfig::default() };
/// let calibration = calibration_blocks(&corpus, &tokenizer, &config)?;
/// assert_eq!((calibration.blocks.len(), calibration.blocks[0].len()), (4, 64));
/// // The same seed draws the same blocks.
/// assert_eq!(calibration, calibration_blocks(&corpus, &tokenizer, &config)?);
/// # Ok::<(), dress_data::Error>(())
/// ```
pub fn calibration_blocks(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    config: &SampleConfig,
) -> Result<Calibration, Error> {
    Ok(calibration_and_held_back(corpus, tokenizer, config, 0)?.0)
}

/// [`calibration_blocks`], and up to `held_back` more of the same draw that share no text with them, to
/// measure on what nothing was fitted to. The calibration blocks are the same however many are held back.
/// There are fewer where the text has no more.
///
/// # Errors
/// Those of [`calibration_blocks`].
pub fn calibration_and_held_back(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    config: &SampleConfig,
    held_back: usize,
) -> Result<(Calibration, Calibration), Error> {
    let seqlen = config.seqlen;
    if seqlen < 2 {
        return Err(Error::BlockTooShort { seqlen });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let mut blocks = match config.draw {
        Draw::Rows => blocks_at_rows(corpus, tokenizer, config, held_back, &mut rng)?,
        Draw::Blocks => disjoint_blocks(corpus, tokenizer, config, held_back, &mut rng)?,
    };
    let join = match config.draw {
        Draw::Rows => &config.join,
        Draw::Blocks => corpus.join_of_text(&config.join),
    };
    let more = blocks.split_off(config.samples.min(blocks.len()));
    let with_provenance = |blocks: Vec<Vec<u32>>| {
        let provenance = CorpusProvenance {
            seed: Some(config.seed),
            draw: config.draw,
            ..provenance(corpus, tokenizer, seqlen, blocks.len(), join)
        };
        Calibration { blocks, provenance }
    };
    Ok((with_provenance(blocks), with_provenance(more)))
}

/// `config.samples` blocks, and behind them up to `held_back` more whose rows are in none of the others.
fn blocks_at_rows(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    config: &SampleConfig,
    held_back: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Vec<u32>>, Error> {
    let seqlen = config.seqlen;
    let rows = FilledRows::of(corpus)?;
    let sampler = Sampler { tokenizer, rows: &rows, config, special: !corpus.is_by_template() };
    let starts = sampler.usable_starts()?;
    if starts == 0 {
        let (text, _) = sampler.text_from(0, usize::MAX)?;
        let found = tokenizer.first_ids(&text, sampler.special, usize::MAX)?.ids.len();
        return Err(Error::ShorterThanOneBlock { path: corpus.path().into(), found, seqlen });
    }
    let draws: Vec<usize> = (0..config.samples).map(|_| rng.random_range(0..starts)).collect();
    let (mut blocks, mut taken) = (Vec::new(), Vec::new());
    for start in draws {
        let (block, rows) = sampler.block(start)?;
        blocks.push(block);
        taken.push(rows);
    }
    // Where most rows are taken, looking on would not end.
    for _ in 0..held_back.min(starts).saturating_mul(TRIES) {
        if blocks.len() == config.samples.saturating_add(held_back) {
            break;
        }
        let (block, rows) = sampler.block(rng.random_range(0..starts))?;
        if taken.iter().all(|other| rows.end <= other.start || other.end <= rows.start) {
            blocks.push(block);
            taken.push(rows);
        }
    }
    Ok(blocks)
}

/// The rows with more than white space.
enum FilledRows<'a> {
    Held(Vec<Cow<'a, str>>),
    Large(&'a LargeLines),
}

impl<'a> FilledRows<'a> {
    fn of(corpus: &'a Corpus) -> Result<Self, Error> {
        if let Some(lines) = corpus.large() {
            return Ok(Self::Large(lines));
        }
        let filled =
            |row: &Result<Cow<'_, str>, Error>| row.as_ref().map_or(true, |row| !row.trim().is_empty());
        Ok(Self::Held(corpus.rows().filter(filled).collect::<Result<_, _>>()?))
    }

    fn len(&self) -> usize {
        match self {
            Self::Held(rows) => rows.len(),
            Self::Large(lines) => lines.total().filled as usize,
        }
    }

    fn from(&self, start: usize) -> Box<dyn Iterator<Item = Result<Cow<'_, str>, Error>> + '_> {
        match self {
            Self::Held(rows) => Box::new(rows[start..].iter().map(|row| borrowed(row))),
            Self::Large(lines) => Box::new(lines.filled_from(start as u64).map(|row| row.map(Cow::Owned))),
        }
    }
}

struct Sampler<'a> {
    tokenizer: &'a Tokenizer,
    rows: &'a FilledRows<'a>,
    config: &'a SampleConfig,
    special: bool,
}

impl Sampler<'_> {
    /// How many rows, from the first on, have a block's worth of text from themselves to the end.
    fn usable_starts(&self) -> Result<usize, Error> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.ids_from(middle)?.len() >= self.config.seqlen {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The block that begins at a row, and the rows that were read for it.
    fn block(&self, start: usize) -> Result<(Vec<u32>, Range<usize>), Error> {
        let (mut ids, end) = self.ids_and_end(start)?;
        ids.truncate(self.config.seqlen);
        Ok((ids, start..end))
    }

    /// The ids of the rows from `start` on, at least a block of them where there is that much text.
    fn ids_from(&self, start: usize) -> Result<Vec<u32>, Error> {
        Ok(self.ids_and_end(start)?.0)
    }

    /// The same, and the first row that was not read for them.
    fn ids_and_end(&self, start: usize) -> Result<(Vec<u32>, usize), Error> {
        let mut bytes = self.config.seqlen.saturating_mul(4);
        loop {
            // The last token of a text can change when more text follows: take one row more.
            let (text, end) = self.text_from(start, bytes)?;
            let wanted = self.config.seqlen.saturating_add(1);
            let ids = self.tokenizer.first_ids(&text, self.special, wanted)?.ids;
            if ids.len() > self.config.seqlen || end == self.rows.len() {
                return Ok((ids, end));
            }
            bytes = bytes.saturating_mul(2);
        }
    }

    /// As many rows from `start` on as reach `bytes` bytes, and the first row behind them.
    fn text_from(&self, start: usize, bytes: usize) -> Result<(String, usize), Error> {
        let join = &self.config.join;
        let (mut text, mut sum, mut end) = (String::new(), 0usize, start);
        for row in self.rows.from(start) {
            if sum >= bytes {
                break;
            }
            let row = row?;
            text += if end > start { join } else { "" };
            text += &row;
            sum = sum.saturating_add(row.len() + join.len());
            end += 1;
        }
        Ok((text, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::tests::words;

    fn corpus(text: &str) -> Corpus {
        crate::corpus::tests::corpus("corpus.txt", text)
    }

    fn config(samples: usize, seqlen: usize, seed: u64) -> SampleConfig {
        SampleConfig { samples, seqlen, seed, draw: Draw::Rows, ..SampleConfig::default() }
    }

    #[test]
    fn blocks_run_over_rows_skip_empty_ones_and_repeat_for_the_same_seed() {
        let text = corpus("w0 w1\n\nw2\nw3 w4\n \nw5 w6 w7\n");
        let draw = |seed| calibration_blocks(&text, &words(), &config(8, 4, seed)).unwrap().blocks;
        let allowed: [&[u32]; 4] = [&[0, 2, 3, 4], &[0, 4, 5, 6], &[0, 5, 6, 7], &[0, 7, 8, 9]];
        assert!(draw(1).iter().all(|block| allowed.contains(&block.as_slice())), "{:?}", draw(1));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn only_rows_with_enough_behind_them_are_starts() {
        let text = corpus("w0 w1 w2\nw3\nw4\n");
        let blocks = calibration_blocks(&text, &words(), &config(20, 5, 0)).unwrap().blocks;
        assert!(blocks.iter().all(|block| block == &[0, 2, 3, 4, 5]));
    }

    #[test]
    fn what_is_held_back_shares_no_row_and_leaves_the_draw_as_it_is() {
        let text: String = (0..40).map(|row| format!("w{} w{} w{}\n", row % 10, row / 10, row % 7)).collect();
        let numbered = corpus(&text);
        for draw in [Draw::Rows, Draw::Blocks] {
            let config = SampleConfig { draw, ..config(4, 4, 3) };
            let (drawn, more) = calibration_and_held_back(&numbered, &words(), &config, 3).unwrap();
            assert_eq!(drawn, calibration_blocks(&numbered, &words(), &config).unwrap(), "{draw}");
            assert_eq!((more.blocks.len(), more.provenance.blocks), (3, 3), "{draw}");
            assert!(more.blocks.iter().all(|block| !drawn.blocks.contains(block)), "{draw}");
        }
        let all = SampleConfig { draw: Draw::Blocks, ..config(1000, 4, 3) };
        let (drawn, more) = calibration_and_held_back(&numbered, &words(), &all, 3).unwrap();
        assert_eq!((drawn.blocks.len(), more.blocks.len()), (1000, 0), "nothing is left over");
        for draw in [Draw::Rows, Draw::Blocks] {
            let config = SampleConfig { draw, ..config(4, 4, 3) };
            let (drawn, more) = calibration_and_held_back(&numbered, &words(), &config, usize::MAX).unwrap();
            assert!(drawn.blocks.len() == 4 && (3..40).contains(&more.blocks.len()), "what there is: {draw}");
        }
    }

    #[test]
    fn a_corpus_shorter_than_one_sample_is_an_error() {
        let error =
            calibration_blocks(&corpus("w0 w1\nw2"), &words(), &config(1, 9, 0)).unwrap_err().to_string();
        assert!(error.contains("4 tokens") && error.contains("block of 9"), "{error}");
        let longest = config(1, usize::MAX / 2, 0);
        assert!(matches!(
            calibration_blocks(&corpus("w0 w1\nw2"), &words(), &longest),
            Err(Error::ShorterThanOneBlock { found: 4, .. })
        ));
    }
}
