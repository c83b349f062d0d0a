//! What a task asks of a model, in tokens.

use super::question::Question;
use super::result::Said;
use super::task_config::TaskConfig;
use super::task_file::{TaskFile, TaskKind};
use crate::Error;
use crate::generation::{StopConditions, generate_until};
use crate::scoring::{Request, RequestEncoder, score};
use dress_core::{CausalLm, RunningStage};

/// What is asked in each row that has no answer yet; the other rows ask nothing.
pub(super) enum Asked {
    /// How likely requests are.
    Likelihoods(Vec<Vec<Request>>),
    /// How prompts go on.
    Texts {
        /// One a row, empty where there is an answer.
        prompts: Vec<Vec<u32>>,
        /// What ends each.
        stop: StopConditions,
    },
}

impl Asked {
    /// Tokenizes what the rows ask that are not `answered`.
    ///
    /// # Errors
    /// [`Error::Row`] of those of [`RequestEncoder`].
    pub fn encode(
        task: &TaskFile,
        questions: &[Question],
        encoder: &RequestEncoder<'_>,
        config: &TaskConfig,
        answered: impl Fn(usize) -> bool,
    ) -> Result<Self, Error> {
        let rows = || questions.iter().enumerate();
        let at = |row: usize| {
            move |cause| Error::Row { task: task.name.clone(), row: row + 1, cause: Box::new(cause) }
        };
        let TaskKind::GenerateUntil(generated) = &task.kind else {
            let requests = |(row, question): (usize, &Question)| {
                let asked = question.requests.iter().filter(|_| !answered(row));
                let encoded = asked.map(|(context, continuation)| encoder.encode(context, continuation));
                encoded.collect::<Result<_, _>>().map_err(at(row))
            };
            return Ok(Self::Likelihoods(rows().map(requests).collect::<Result<_, _>>()?));
        };
        let prompt = |(row, question): (usize, &Question)| match question.requests.first() {
            Some((context, _)) if !answered(row) => encoder.encode_prompt(context).map_err(at(row)),
            _ => Ok(Vec::new()),
        };
        let stop = StopConditions {
            until: generated.until.clone(),
            end_tokens: config.end_tokens.clone(),
            max_new_tokens: generated.max_new_tokens.get(),
        };
        Ok(Self::Texts { prompts: rows().map(prompt).collect::<Result<_, _>>()?, stop })
    }

    /// How many requests or prompts there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Likelihoods(rows) => rows.iter().map(Vec::len).sum(),
            Self::Texts { prompts, .. } => prompts.iter().filter(|prompt| !prompt.is_empty()).count(),
        }
    }

    /// Asks `model`, and hands each row's answer over as soon as it is there.
    ///
    /// # Errors
    /// Those of [`score`], [`generate_until`] and `done`.
    pub fn put_to<M: CausalLm>(
        &self,
        model: &M,
        encoder: &RequestEncoder<'_>,
        config: &TaskConfig,
        stage: &RunningStage<'_>,
        mut done: impl FnMut(usize, Said) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let batch = &config.batch;
        match self {
            Self::Likelihoods(requests) => {
                score(model, requests, batch, stage, |row, said| done(row, Said::Likelihoods(said)))
            }
            Self::Texts { prompts, stop } => {
                let tokenizer = encoder.tokenizer;
                generate_until(model, tokenizer, prompts, stop, batch, stage, |row, said| {
                    done(row, Said::Text(said))
                })
            }
        }
    }
}
