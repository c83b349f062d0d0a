//! A whole text, cut into blocks.

use crate::pieces::Ids;
use crate::{Corpus, Error, Tokenizer};
use dress_core::{Calibration, CorpusProvenance, published_paths};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Ids at the end of a part that are not relied on.
const AT_THE_END: usize = 256;

/// How a text is cut for evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockConfig {
    /// Tokens a block.
    pub seqlen: usize,
    /// The most blocks, from the start of the text.
    pub max_blocks: Option<usize>,
    /// What stands between JSON rows; a plain text is taken as it is.
    pub join: String,
}

impl BlockConfig {
    /// Blocks of `seqlen` tokens over all of the text, JSON rows joined by an empty line.
    pub fn new(seqlen: usize) -> Self {
        Self { seqlen, max_blocks: None, join: "\n\n".into() }
    }

    /// The same with at most `max_blocks` blocks.
    #[must_use]
    pub fn max_blocks(mut self, max_blocks: Option<usize>) -> Self {
        self.max_blocks = max_blocks;
        self
    }
}

/// Non-overlapping blocks of the whole text, tokenized once with the tokenizer's own special tokens
/// (so that a BOS opens the first block only), the tail dropped: what the pruning papers measure
/// perplexity on.
///
/// # Errors
/// [`Error::BlockTooShort`], [`Error::ShorterThanOneBlock`] and [`Error::Tokenize`].
///
/// # Examples
/// ```
/// use dress_data::{BlockConfig, Corpus, CorpusFormat, Tokenizer, evaluation_blocks};
///
/// let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");
/// let tokenizer = Tokenizer::from_directory(format!("{models}/llama3-kjv").as_ref())?;
/// let corpus = Corpus::read(format!("{models}/kjv/heldout.txt").as_ref(), CorpusFormat::Auto)?;
/// let blocks = evaluation_blocks(&corpus, &tokenizer, &BlockConfig::new(64).max_blocks(Some(4)))?.blocks;
/// assert!(blocks.len() == 4 && blocks.iter().all(|block| block.len() == 64));
/// # Ok::<(), dress_data::Error>(())
/// ```
pub fn evaluation_blocks(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    config: &BlockConfig,
) -> Result<Calibration, Error> {
    let seqlen = config.seqlen;
    if seqlen < 2 {
        return Err(Error::BlockTooShort { seqlen });
    }
    let wanted = seqlen.saturating_mul(config.max_blocks.unwrap_or(usize::MAX).max(1));
    let ids = first_of_corpus(corpus, tokenizer, &config.join, true, wanted)?.ids;
    if ids.len() < seqlen {
        return Err(Error::ShorterThanOneBlock { path: corpus.path().into(), found: ids.len(), seqlen });
    }
    let blocks = ids.chunks_exact(seqlen).take(config.max_blocks.unwrap_or(usize::MAX));
    let blocks: Vec<Vec<u32>> = blocks.map(<[u32]>::to_vec).collect();
    let join = corpus.join_of_text(&config.join);
    let provenance = provenance(corpus, tokenizer, seqlen, blocks.len(), join);
    Ok(Calibration { blocks, provenance })
}

/// The same blocks in an order drawn by `seed`, to train a model from nothing.
///
/// # Errors
/// As [`evaluation_blocks`].
pub fn training_blocks(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    seqlen: usize,
    seed: u64,
) -> Result<Calibration, Error> {
    let mut training = evaluation_blocks(corpus, tokenizer, &BlockConfig::new(seqlen))?;
    training.blocks.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    training.provenance.seed = Some(seed);
    Ok(training)
}

/// The first `wanted` ids of a corpus or more, or all. Of lines that are not held, no more is read than it
/// takes.
pub(crate) fn first_of_corpus(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    join: &str,
    special: bool,
    wanted: usize,
) -> Result<Ids, Error> {
    let special = special && !corpus.is_by_template();
    // The last ids of a part can change with what follows it.
    let (mut bytes, more) = (wanted.saturating_mul(8).max(1 << 20), wanted.saturating_add(AT_THE_END));
    loop {
        let (text, is_all) = corpus.start_of_text(join, bytes as u64)?;
        if is_all {
            return tokenizer.first_ids(&text, special, wanted);
        }
        let mut found = tokenizer.first_ids(&text, special, more)?;
        if found.ids.len() >= more {
            found.ids.truncate(wanted);
            found.ends.truncate(wanted);
            return Ok(found);
        }
        bytes = bytes.saturating_mul(4);
    }
}

pub(crate) fn provenance(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    seqlen: usize,
    blocks: usize,
    join: &str,
) -> CorpusProvenance {
    CorpusProvenance {
        path: published_paths(&corpus.path().to_string_lossy()),
        sha256: corpus.sha256().into(),
        tokenizer_sha256: tokenizer.sha256().into(),
        seqlen,
        blocks,
        join: join.into(),
        text_field: corpus.text_field().map(String::from),
        chat_template_sha256: corpus.template_sha256().map(String::from),
        ..CorpusProvenance::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::tests::words;

    fn corpus(text: &str) -> Corpus {
        crate::corpus::tests::corpus("corpus.txt", text)
    }

    #[test]
    fn blocks_follow_each_other_and_the_tail_is_dropped() {
        let blocks =
            evaluation_blocks(&corpus("w0 w1 w2\nw3 w4 w5 w6"), &words(), &BlockConfig::new(3)).unwrap();
        assert_eq!(blocks.blocks, [[0, 2, 3], [4, 5, 6]]);
        assert_eq!((blocks.provenance.blocks, blocks.provenance.seed), (2, None));
        assert_eq!(blocks.provenance.join, "", "lines are not joined");
        let rows = crate::corpus::tests::corpus("a.jsonl", "{\"text\":\"w0 w1 w2\"}");
        let joined = evaluation_blocks(&rows, &words(), &BlockConfig::new(3)).unwrap();
        assert_eq!(joined.provenance.join, "\n\n");
        let first = BlockConfig::new(3).max_blocks(Some(1));
        assert_eq!(
            evaluation_blocks(&corpus("w0 w1 w2 w3 w4 w5"), &words(), &first).unwrap().blocks.len(),
            1
        );
    }

    #[test]
    fn corpus_shorter_than_one_block_is_an_error() {
        let error =
            evaluation_blocks(&corpus("w0 w1"), &words(), &BlockConfig::new(4)).unwrap_err().to_string();
        assert!(error.contains("corpus.txt: 3 tokens") && error.contains("`seqlen`"), "{error}");
    }

    #[test]
    fn a_block_with_nothing_to_predict_is_an_error() {
        let error = evaluation_blocks(&corpus("w0 w1"), &words(), &BlockConfig::new(1)).unwrap_err();
        assert!(matches!(error, Error::BlockTooShort { seqlen: 1 }));
    }

    #[test]
    fn training_blocks_are_the_same_blocks_shuffled_by_seed() {
        let text = corpus(&"w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 ".repeat(20));
        let plain = evaluation_blocks(&text, &words(), &BlockConfig::new(7)).unwrap().blocks;
        let drawn = |seed| training_blocks(&text, &words(), 7, seed).unwrap().blocks;
        assert_ne!(drawn(1), plain);
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(drawn(1), drawn(1));
        let sorted = |mut blocks: Vec<Vec<u32>>| {
            blocks.sort();
            blocks
        };
        assert_eq!(sorted(drawn(1)), sorted(plain));
    }
}
