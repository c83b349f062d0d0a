//! Log-likelihoods of requests.

use super::batches::{Asked, Batch, BatchConfig, Group, batches};
use super::{Request, score_targets};
use crate::Error;
use dress_core::{Calibration, CausalLm, Forward, KvCache, NoTap, RunningStage};
use serde::{Deserialize, Serialize};

/// How likely a continuation is after its context.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// Natural logarithm of its probability.
    pub log_likelihood: f64,
    /// Whether each of its tokens is the likeliest.
    pub is_greedy: bool,
}

/// Scores the requests of each question, whose contexts mostly begin alike, and hands them over as they are
/// done: `done` gets the question's place in `questions` and one likelihood a request.
///
/// Rows that begin alike go through the model once and on from its KV cache; the head sees the positions that
/// are asked for and no others.
///
/// # Errors
/// [`Error::ContinuationTooLong`], [`Error::LikelihoodNotFinite`], those of [`Calibration::check`], those of
/// `done`, and [`dress_core::Error::Cancelled`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{NoProgress, Progress, Unit};
/// use dress_eval::scoring::{BatchConfig, Request, score};
///
/// let asked = |answer: u32| Request { context: vec![1, 2, 3], continuation: vec![answer] };
/// let progress: &dyn Progress = &NoProgress;
/// let stage = progress.begin("questions", Unit::Questions, 1);
/// let mut likelihoods = Vec::new();
/// score(&model, &[vec![asked(4), asked(5)]], &BatchConfig::default(), &stage, |_question, found| {
///     likelihoods = found;
///     Ok::<(), dress_eval::Error>(())
/// })?;
/// assert!(likelihoods.len() == 2 && likelihoods.iter().all(|found| found.log_likelihood < 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn score<M: CausalLm, E: From<Error>>(
    model: &M,
    questions: &[Vec<Request>],
    config: &BatchConfig,
    stage: &RunningStage<'_>,
    mut done: impl FnMut(usize, Vec<Likelihood>) -> Result<(), E>,
) -> Result<(), E> {
    let positions = model.max_positions();
    let mut groups = Vec::new();
    for (index, requests) in questions.iter().enumerate().filter(|(_, requests)| !requests.is_empty()) {
        check_vocabulary(model, requests)?;
        groups.push(Group::new(index, requests, positions)?);
    }
    for batch in batches(groups, config) {
        let scored = score_batch(model, &batch);
        for (group, likelihoods) in batch.groups.iter().zip(scored) {
            if let Some(request) = likelihoods.iter().position(|l| !l.log_likelihood.is_finite()) {
                let value = likelihoods[request].log_likelihood;
                return Err(Error::LikelihoodNotFinite { question: group.index, request, value }.into());
            }
            done(group.index, likelihoods)?;
        }
        stage.advance(batch.groups.len() as u64).map_err(Error::from)?;
    }
    Ok(())
}

fn check_vocabulary<M: CausalLm>(model: &M, requests: &[Request]) -> Result<(), Error> {
    let vocab_size = model.vocab_size();
    let tokens = requests.iter().flat_map(|request| request.context.iter().chain(&request.continuation));
    match tokens.copied().find(|&token| token as usize >= vocab_size) {
        Some(token) => Err(dress_core::Error::Vocabulary { token, vocab_size }.into()),
        None => Ok(()),
    }
}

fn score_batch<M: CausalLm>(model: &M, batch: &Batch) -> Vec<Vec<Likelihood>> {
    let device = model.device();
    let rows = || batch.groups.iter().flat_map(|group| &group.rows);
    let longest = rows().map(|row| row.input.len()).max().unwrap_or(0);
    let prefix = if model.outgrows_cache(batch.prefix, longest) { 0 } else { batch.prefix };
    let seq = longest - prefix;
    let padded = |row: &super::batches::Row| {
        let mut tail = row.input[prefix..].to_vec();
        tail.resize(seq, 0);
        tail
    };
    let tails = Calibration::tensor(&rows().map(padded).collect::<Vec<_>>(), &device);
    let hidden = if prefix == 0 {
        model.hidden(tails, &mut Forward::new(&mut NoTap))
    } else {
        let mut cache = start(model, batch, longest);
        model.hidden(tails, &mut Forward::new(&mut NoTap).with_cache(&mut cache))
    };
    let asked: Vec<(usize, &Asked)> =
        rows().enumerate().flat_map(|(row, r)| r.asked.iter().map(move |asked| (row, asked))).collect();
    let places: Vec<usize> = asked
        .iter()
        .flat_map(|(row, asked)| {
            let first = row * seq + asked.start - prefix;
            first..first + asked.targets.len()
        })
        .collect();
    let targets: Vec<u32> = asked.iter().flat_map(|(_, asked)| asked.targets.iter().copied()).collect();
    let scores = score_targets(model, hidden, &places, &targets);
    let mut taken = 0;
    let mut answers = asked.iter().map(|(_, asked)| {
        let scores = &scores[taken..taken + asked.targets.len()];
        taken += scores.len();
        let log_likelihood = scores.iter().map(|score| score.log_likelihood).sum();
        let is_greedy = scores.iter().all(|score| score.is_likeliest);
        (asked.request, Likelihood { log_likelihood, is_greedy })
    });
    let in_order = |group: &Group| {
        let count = group.rows.iter().map(|row| row.asked.len()).sum();
        let mut of_group: Vec<(usize, Likelihood)> = answers.by_ref().take(count).collect();
        of_group.sort_by_key(|(request, _)| *request);
        of_group.into_iter().map(|(_, likelihood)| likelihood).collect()
    };
    batch.groups.iter().map(in_order).collect()
}

/// The keys and values of what each group's rows share, once computed and once a row kept.
fn start<M: CausalLm>(model: &M, batch: &Batch, capacity: usize) -> KvCache {
    let starts: Vec<Vec<u32>> =
        batch.groups.iter().map(|group| group.rows[0].input[..batch.prefix].to_vec()).collect();
    let mut cache = KvCache::new(model.num_layers(), batch.prefix);
    let tokens = Calibration::tensor(&starts, &model.device());
    let _ = model.hidden(tokens, &mut Forward::new(&mut NoTap).with_cache(&mut cache));
    let rows = batch.groups.iter().enumerate().flat_map(|(index, group)| vec![index; group.rows.len()]);
    cache.select_rows(&rows.collect::<Vec<_>>(), capacity)
}
