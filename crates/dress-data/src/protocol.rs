//! How the papers prepare the corpora they report perplexity on.

use crate::{Corpus, Error};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A corpus as SparseGPT, Wanda and SliceGPT prepare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// WikiText-2 raw test: rows joined by an empty line, rows of spaces being empty and the others keeping
    /// the line end that they have on the hub.
    Wikitext2,
    /// Penn Treebank test: sentences joined by a space.
    Ptb,
    /// C4 validation: the first 1100 texts joined by a space, of which 256 blocks are taken.
    C4,
}

/// The texts of C4 that are joined.
const C4_ROWS: usize = 1100;
/// The blocks of C4 that are taken.
const C4_BLOCKS: usize = 256;

impl Protocol {
    /// The text that is tokenized.
    ///
    /// # Errors
    /// Those of [`Corpus::rows`].
    pub fn text(self, corpus: &Corpus) -> Result<String, Error> {
        let rows = corpus.rows().take(if self == Protocol::C4 { C4_ROWS } else { usize::MAX });
        let row = |row: &str| match self {
            Protocol::Wikitext2 => wikitext(row, corpus.is_text()),
            Protocol::Ptb => row.trim().into(),
            Protocol::C4 => row.into(),
        };
        let rows = rows.map(|text| text.map(|text| row(&text))).collect::<Result<Vec<String>, _>>()?;
        Ok(rows.join(self.join()))
    }

    /// The most blocks that are taken.
    pub fn max_blocks(self) -> Option<usize> {
        (self == Protocol::C4).then_some(C4_BLOCKS)
    }

    /// What stands between two rows.
    pub fn join(self) -> &'static str {
        match self {
            Protocol::Wikitext2 => "\n\n",
            Protocol::Ptb | Protocol::C4 => " ",
        }
    }
}

/// A text's line as the row that the hub made of it; the row of a JSON file is that row already.
fn wikitext(row: &str, is_line: bool) -> String {
    match (row.trim().is_empty(), is_line) {
        (true, _) => String::new(),
        (false, true) => format!("{row}\n"),
        (false, false) => row.into(),
    }
}

impl Protocol {
    /// The names of all protocols, as they are written on command lines and in files.
    pub const NAMES: [&'static str; 3] = ["wikitext2", "ptb", "c4"];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Wikitext2 => "wikitext2",
            Protocol::Ptb => "ptb",
            Protocol::C4 => "c4",
        })
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let all = [Protocol::Wikitext2, Protocol::Ptb, Protocol::C4];
        let found = all.into_iter().find(|protocol| protocol.to_string() == text);
        found.ok_or_else(|| Error::ProtocolName { name: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::tests::corpus;

    #[test]
    fn wikitext_from_its_file_and_from_the_hub_s_rows_are_one_text() {
        let file = corpus("wiki.test.raw", " \n = Title = \n \n Text . \n");
        let rows =
            "{\"text\":\"\"}\n{\"text\":\" = Title = \\n\"}\n{\"text\":\"\"}\n{\"text\":\" Text . \\n\"}\n";
        let hub = corpus("wiki.jsonl", rows);
        assert_eq!(Protocol::Wikitext2.text(&file).unwrap(), "\n\n = Title = \n\n\n\n\n Text . \n");
        assert_eq!(Protocol::Wikitext2.text(&hub).unwrap(), Protocol::Wikitext2.text(&file).unwrap());
    }

    #[test]
    fn ptb_and_c4_are_joined_by_a_space() {
        assert_eq!(Protocol::Ptb.text(&corpus("ptb.txt", " a b \n c\n")).unwrap(), "a b c");
        let rows: String = (0..1200).map(|i| format!("{{\"text\":\"t{i}\"}}\n")).collect();
        let text = Protocol::C4.text(&corpus("c4.jsonl", &rows)).unwrap();
        assert!(text.starts_with("t0 t1 ") && text.ends_with(" t1099"));
    }
}
