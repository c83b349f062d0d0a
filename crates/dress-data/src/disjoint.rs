//! Blocks of a text that do not overlap, in random order.

use crate::{Corpus, Error, SampleConfig, Tokenizer};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// `config.samples` blocks of the text as it stands, rows of JSON joined by `config.join`, each token in one block at most until
/// all are drawn; then the text is cut anew from another offset.
pub(crate) fn disjoint_blocks(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    config: &SampleConfig,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, Error> {
    let seqlen = config.seqlen;
    let ids = tokenizer.first_ids(&corpus.text(&config.join), true, usize::MAX)?.ids;
    if ids.len() < seqlen {
        return Err(Error::ShorterThanOneBlock { path: corpus.path().into(), found: ids.len(), seqlen });
    }
    let whole = ids.len() / seqlen;
    if whole < config.samples {
        tracing::warn!(
            "{} holds {whole} blocks of {seqlen} tokens and {} are drawn: some tokens are seen more than once; give a longer text, or fewer --samples or a shorter --seqlen",
            corpus.path().display(),
            config.samples
        );
    }
    let (mut blocks, mut offset) = (Vec::with_capacity(config.samples), 0);
    while blocks.len() < config.samples {
        let mut pass: Vec<&[u32]> = ids[offset..].chunks_exact(seqlen).collect();
        pass.shuffle(rng);
        pass.truncate(config.samples - blocks.len());
        blocks.extend(pass.into_iter().map(<[u32]>::to_vec));
        // Some offset at which there is a block left.
        offset = rng.random_range(0..seqlen.min(ids.len() - seqlen + 1));
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use crate::corpus::tests::corpus;
    use crate::tokenizer::tests::words;
    use crate::{SampleConfig, calibration_blocks};
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
    fn more_blocks_than_there_are_come_from_other_offsets() {
        let drawn = draw("w0 w1 w2 w3 w4", 40, 3, 1);
        assert_eq!(drawn.len(), 40);
        assert!(drawn.iter().all(|block| block.windows(2).all(|pair| pair[1] > pair[0])));
        let all: std::collections::BTreeSet<_> = drawn.into_iter().collect();
        assert!(all.len() > 2, "only {all:?}");
        assert_eq!(draw("w0 w1", 3, 3, 1).len(), 3);
    }
}
