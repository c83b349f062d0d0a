//! What perplexity is measured over.

use crate::blocks::first_of_corpus;
use crate::pieces::Ids;
use crate::{Corpus, Error, Protocol, Tokenizer};
use dress_core::{Calibration, CorpusProvenance};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where the token stands that begins a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bos {
    /// Where the tokenizer itself puts it: before the text, so before the first window alone.
    #[default]
    Tokenizer,
    /// Before every window, which is one token of the text shorter.
    Each,
    /// Nowhere.
    None,
}

/// How a text is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowConfig {
    /// Tokens a window.
    pub seqlen: usize,
    /// Tokens from one window's start to the next; without it, windows follow each other and the tail is
    /// dropped.
    pub stride: Option<usize>,
    /// The most windows, from the start of the text.
    pub max_windows: Option<usize>,
    /// What stands between JSON rows, where no protocol says so.
    pub join: String,
    /// How the papers prepare this corpus.
    pub protocol: Option<Protocol>,
    /// Where the token stands that begins a text.
    pub bos: Bos,
    /// That token, for [`Bos::Each`].
    pub bos_token: Option<u32>,
}

impl WindowConfig {
    /// Windows of `seqlen` tokens that follow each other, JSON rows joined by an empty line.
    pub fn new(seqlen: usize) -> Self {
        let join = "\n\n".into();
        Self {
            seqlen,
            stride: None,
            max_windows: None,
            join,
            protocol: None,
            bos: Bos::Tokenizer,
            bos_token: None,
        }
    }
}

/// Some tokens, of which the last ones are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The first token whose likelihood counts, from 1 on.
    pub counted_from: usize,
    /// Bytes of the text that the counted tokens stand for; 0 where that is not known.
    pub bytes: usize,
}

/// A text as windows, with where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// The windows.
    pub windows: Vec<Window>,
    /// Where they came from.
    pub provenance: CorpusProvenance,
    /// Tokens from one window's start to the next, where they overlap.
    pub stride: Option<usize>,
    /// How the corpus was prepared, where a paper says so.
    pub protocol: Option<Protocol>,
    /// Where the token stands that begins a text.
    pub bos: Bos,
}

impl Windows {
    /// Cuts a text.
    ///
    /// # Errors
    /// [`Error::BlockTooShort`], [`Error::Stride`], [`Error::NoBosToken`], [`Error::ShorterThanOneBlock`] and
    /// [`Error::Tokenize`].
    ///
    /// # Examples
    /// ```
    /// use dress_data::{Corpus, CorpusFormat, Tokenizer, WindowConfig, Windows};
    ///
    /// let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models");
    /// let tokenizer = Tokenizer::from_directory(format!("{models}/llama3-kjv").as_ref())?;
    /// let corpus = Corpus::read(format!("{models}/kjv/heldout.txt").as_ref(), CorpusFormat::Auto)?;
    /// let config = WindowConfig { stride: Some(16), max_windows: Some(3), ..WindowConfig::new(64) };
    /// let windows = Windows::new(&corpus, &tokenizer, &config)?.windows;
    /// // Behind the first window the tokens of the one before are context, and are not counted again.
    /// assert_eq!((windows.len(), windows[1].counted_from), (3, 48));
    /// # Ok::<(), dress_data::Error>(())
    /// ```
    pub fn new(corpus: &Corpus, tokenizer: &Tokenizer, config: &WindowConfig) -> Result<Self, Error> {
        let seqlen = config.seqlen;
        let begins = usize::from(config.bos == Bos::Each);
        if seqlen < 2 {
            return Err(Error::BlockTooShort { seqlen });
        }
        if config.stride.is_some_and(|stride| stride == 0 || stride > seqlen - begins) {
            return Err(Error::Stride { stride: config.stride.unwrap_or(0), seqlen: seqlen - begins });
        }
        let first = match config.bos {
            Bos::Each => Some(config.bos_token.ok_or(Error::NoBosToken)?),
            _ => None,
        };
        let join = match config.protocol {
            Some(protocol) => protocol.join(),
            None => corpus.join_of_text(&config.join),
        };
        let content = seqlen - begins;
        let most = config.protocol.and_then(Protocol::max_blocks).unwrap_or(usize::MAX);
        let most = most.min(config.max_windows.unwrap_or(usize::MAX));
        // One window follows the other after at most its own length.
        let wanted = most.max(1).saturating_mul(content);
        let special = config.bos == Bos::Tokenizer;
        let Ids { ids, ends } = match config.protocol {
            Some(protocol) => tokenizer.first_ids(&protocol.text(corpus)?, special, wanted)?,
            None => first_of_corpus(corpus, tokenizer, &config.join, special, wanted)?,
        };
        if ids.len() < content {
            return Err(Error::ShorterThanOneBlock { path: corpus.path().into(), found: ids.len(), seqlen });
        }
        let spans = spans(ids.len(), content, config.stride);
        let window = |span: Span| span.window(&ids, &ends, first);
        let windows: Vec<Window> = spans.into_iter().take(most).map(window).collect();
        let provenance = crate::blocks::provenance(corpus, tokenizer, seqlen, windows.len(), join);
        let (stride, protocol, bos) = (config.stride, config.protocol, config.bos);
        Ok(Self { windows, provenance, stride, protocol, bos })
    }

    /// The same tokens as blocks, where every window is one.
    pub fn blocks(&self) -> Calibration {
        let blocks = self.windows.iter().map(|window| window.tokens.clone()).collect();
        Calibration { blocks, provenance: self.provenance.clone() }
    }
}

impl From<&Calibration> for Windows {
    fn from(blocks: &Calibration) -> Self {
        let window = |tokens: &Vec<u32>| Window { tokens: tokens.clone(), counted_from: 1, bytes: 0 };
        let windows = blocks.blocks.iter().map(window).collect();
        Self {
            windows,
            provenance: blocks.provenance.clone(),
            stride: None,
            protocol: None,
            bos: Bos::Tokenizer,
        }
    }
}

/// Tokens of the text, of which those from `counted` on are new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    counted: usize,
}

/// With a stride, every token is counted once, in the first window that has it, with as much before it as
/// that window has (the sliding window of Hugging Face's guide).
fn spans(len: usize, content: usize, stride: Option<usize>) -> Vec<Span> {
    let Some(stride) = stride else {
        let starts = (0..len / content).map(|index| index * content);
        return starts.map(|start| Span { start, end: start + content, counted: start }).collect();
    };
    let mut spans: Vec<Span> = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + content).min(len);
        let counted = spans.last().map_or(0, |span| span.end);
        spans.push(Span { start, end, counted });
        if end == len {
            return spans;
        }
        start += stride;
    }
}

impl Span {
    fn window(self, ids: &[u32], ends: &[usize], first: Option<u32>) -> Window {
        let before = usize::from(first.is_some());
        let tokens: Vec<u32> = first.into_iter().chain(ids[self.start..self.end].iter().copied()).collect();
        // Nothing predicts the first token.
        let counted_from = (self.counted - self.start + before).max(1);
        let first_counted = self.start + counted_from - before;
        let begins = first_counted.checked_sub(1).map_or(0, |index| ends[index]);
        Window { tokens, counted_from, bytes: ends[self.end - 1].saturating_sub(begins) }
    }
}

impl Bos {
    /// The names of all places, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["tokenizer", "each", "none"];
}

impl fmt::Display for Bos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bos::Tokenizer => "tokenizer",
            Bos::Each => "each",
            Bos::None => "none",
        })
    }
}

impl FromStr for Bos {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = [Bos::Tokenizer, Bos::Each, Bos::None].into_iter().find(|bos| bos.to_string() == text);
        found.ok_or_else(|| Error::BosName { name: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::tests::corpus;
    use crate::tokenizer::tests::words;

    fn cut(text: &str, config: WindowConfig) -> Result<Windows, Error> {
        Windows::new(&corpus("corpus.txt", text), &words(), &config)
    }

    fn tokens(windows: &Windows) -> Vec<(Vec<u32>, usize, usize)> {
        windows.windows.iter().map(|w| (w.tokens.clone(), w.counted_from, w.bytes)).collect()
    }

    #[test]
    fn without_a_stride_windows_are_the_evaluation_s_blocks() {
        let windows = cut("w0 w1 w2 w3 w4 w5 w6", WindowConfig::new(3)).unwrap();
        assert_eq!(tokens(&windows), [(vec![0, 2, 3], 1, 5), (vec![4, 5, 6], 1, 6)]);
    }

    #[test]
    fn a_bos_may_open_every_window_or_none() {
        let each = WindowConfig { bos: Bos::Each, bos_token: Some(0), ..WindowConfig::new(3) };
        let windows = cut("w0 w1 w2 w3", each).unwrap();
        assert_eq!(tokens(&windows), [(vec![0, 2, 3], 1, 5), (vec![0, 4, 5], 1, 6)]);
        let none = WindowConfig { bos: Bos::None, ..WindowConfig::new(2) };
        assert_eq!(tokens(&cut("w0 w1 w2", none).unwrap()), [(vec![2, 3], 1, 3)]);
        let unnamed = WindowConfig { bos: Bos::Each, ..WindowConfig::new(3) };
        assert!(cut("w0 w1", unnamed).unwrap_err().to_string().contains("bos_token"));
    }

    #[test]
    fn with_a_stride_every_token_but_the_first_counts_once() {
        let config = WindowConfig { stride: Some(2), bos: Bos::None, ..WindowConfig::new(4) };
        let windows = cut("w0 w1 w2 w3 w4 w5 w6", config).unwrap();
        let expected = [(vec![2, 3, 4, 5], 1, 9), (vec![4, 5, 6, 7], 2, 6), (vec![6, 7, 8], 2, 3)];
        assert_eq!(tokens(&windows), expected);
        let counted: usize = windows.windows.iter().map(|w| w.tokens.len() - w.counted_from).sum();
        assert_eq!(counted, 6);
        let wide = WindowConfig { stride: Some(5), ..WindowConfig::new(4) };
        assert!(cut("w0 w1 w2 w3", wide).unwrap_err().to_string().contains("stride of 5"));
    }
}
