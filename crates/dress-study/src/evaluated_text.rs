//! Which of the texts that cells are evaluated on.

use crate::kept_cells::{CellKey, DataKey};
use std::fmt;

/// One of the texts that cells are evaluated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluatedText {
    /// The text like the calibration's.
    Seen,
    /// The other text.
    Unseen,
}

impl EvaluatedText {
    /// Those of a cell that are the calibration's own text, by its hash.
    pub(crate) fn that_are<S>(key: &CellKey<S>, calibration: &DataKey) -> Vec<Self> {
        let texts = [(Self::Seen, Some(&key.seen)), (Self::Unseen, key.unseen.as_ref())];
        let same = |text: Option<&DataKey>| text.is_some_and(|text| text.sha256 == calibration.sha256);
        texts.into_iter().filter(|(_, text)| same(*text)).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for EvaluatedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seen => "seen",
            Self::Unseen => "unseen",
        })
    }
}
