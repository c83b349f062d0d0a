//! The examples before a question.

use super::mersenne_twister::MersenneTwister;
use super::question::Question;
use super::rows::Rows;
use super::task_file::TaskFile;
use super::template::{Row, Templates};
use crate::Error;

/// The seed that `lm_eval` draws examples with.
pub const FEWSHOT_SEED: u32 = 1234;

/// Draws the examples that stand before each question, as `lm_eval` does: by Python's random numbers, over
/// all questions in order.
pub(crate) struct Examples<'a> {
    task: &'a TaskFile,
    templates: &'a Templates,
    pool: &'a Rows,
    random: MersenneTwister,
    count: usize,
    leave_out: bool,
}

impl<'a> Examples<'a> {
    /// `count` examples from `pool` before each question. Where the pool is what is evaluated, the row itself
    /// is left out whatever the task says.
    ///
    /// # Errors
    /// [`Error::TooFewExamples`].
    pub fn new(
        task: &'a TaskFile,
        templates: &'a Templates,
        pool: &'a Rows,
        evaluated: &Rows,
        count: usize,
        seed: u32,
    ) -> Result<Self, Error> {
        let leave_out = !task.fewshot_keeps_evaluated || pool.sha256 == evaluated.sha256;
        let needed = count + usize::from(leave_out);
        if count > 0 && pool.rows.len() < needed {
            return Err(Error::TooFewExamples { path: pool.path.clone(), found: pool.rows.len(), needed });
        }
        Ok(Self { task, templates, pool, random: MersenneTwister::new(seed), count, leave_out })
    }

    /// The text before the question that `row` asks.
    ///
    /// # Errors
    /// Those of [`Question::new`].
    pub fn before(&mut self, row: &Row) -> Result<String, Error> {
        if self.count == 0 {
            return Ok(String::new());
        }
        let rows = &self.pool.rows;
        let mut drawn = self.random.sample(rows.len(), self.count + usize::from(self.leave_out));
        if self.leave_out {
            drawn.retain(|&index| rows[index] != *row);
            if drawn.len() < self.count {
                let others: Vec<usize> = (0..rows.len()).filter(|&index| rows[index] != *row).collect();
                let needed = self.count;
                if others.len() < needed {
                    let (path, found) = (self.pool.path.clone(), others.len());
                    return Err(Error::TooFewExamples { path, found, needed });
                }
                drawn = self.random.sample(others.len(), needed).into_iter().map(|at| others[at]).collect();
            }
            drawn.truncate(self.count);
        }
        let example = |&index: &usize| {
            let question = Question::new(self.task, self.templates, &rows[index], index + 1)?;
            Ok(question.example(self.task))
        };
        drawn.iter().map(example).collect()
    }
}
