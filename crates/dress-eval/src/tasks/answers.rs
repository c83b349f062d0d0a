//! What has been said to the rows of a task so far.

use super::question::Question;
use super::result::{RowResult, Said};
use crate::Error;
use crate::journal::{Journal, ResultCache, ResultKey};

/// One answer a row as far as it is there, and where each is kept.
pub(super) struct Answers {
    said: Vec<Option<Said>>,
    journal: Option<Journal>,
}

impl Answers {
    /// Those to `questions` that were kept under `key`.
    ///
    /// # Errors
    /// Those of [`ResultCache::open`].
    pub fn open(
        cache: Option<&ResultCache>,
        key: impl FnOnce() -> ResultKey,
        questions: &[Question],
    ) -> Result<Self, Error> {
        let mut said = vec![None; questions.len()];
        let Some(cache) = cache else { return Ok(Self { said, journal: None }) };
        let (kept, journal) = cache.open::<RowResult>(&key())?;
        for result in kept {
            if questions.get(result.row).is_some_and(|question| result.said.answers(question)) {
                said[result.row] = Some(result.said);
            }
        }
        Ok(Self { said, journal: Some(journal) })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.said.iter().flatten().count()
    }

    /// Whether the row, from 0, has one.
    pub fn has(&self, row: usize) -> bool {
        self.said[row].is_some()
    }

    /// Keeps the answer to a row; it is on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn keep(&mut self, row: usize, said: Said) -> Result<(), Error> {
        let result = RowResult { row, said };
        if let Some(journal) = &mut self.journal {
            journal.keep(&result)?;
        }
        self.said[row] = Some(result.said);
        Ok(())
    }

    /// The answers, in the order of the rows.
    pub fn into_said(self) -> Vec<Said> {
        self.said.into_iter().flatten().collect()
    }
}
