//! Batches, shared contexts and the KV cache change nothing.

use crate::small::{CONFIGS, random};
use dress_core::burn::tensor::activation::log_softmax;
use dress_core::{Calibration, CausalLm, Forward, NoProgress, NoTap, Progress, Unit};
use dress_eval::Error;
use dress_eval::scoring::{BatchConfig, Likelihood, Request, score};

/// One sequence, all its logits, no cache.
fn by_hand<M: CausalLm>(model: &M, request: &Request) -> Likelihood {
    let whole: Vec<u32> = request.context.iter().chain(&request.continuation).copied().collect();
    let cut = whole.len().saturating_sub(model.max_positions() + 1);
    let input = &whole[cut..whole.len() - 1];
    let tokens = Calibration::tensor(&[input.to_vec()], &model.device());
    let logits = log_softmax(model.forward(tokens, &mut Forward::new(&mut NoTap)), 2);
    let values: Vec<f64> = logits.into_data().iter().collect();
    let start = input.len() - request.continuation.len();
    let vocab_size = model.vocab_size();
    let rows = request.continuation.iter().enumerate().map(|(index, &target)| {
        let row = &values[(start + index) * vocab_size..(start + index + 1) * vocab_size];
        let greatest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (row[target as usize], row[target as usize] == greatest)
    });
    let rows: Vec<(f64, bool)> = rows.collect();
    Likelihood { log_likelihood: rows.iter().map(|row| row.0).sum(), is_greedy: rows.iter().all(|row| row.1) }
}

fn questions() -> Vec<Vec<Request>> {
    let request = |context: &[u32], continuation: &[u32]| Request {
        context: context.to_vec(),
        continuation: continuation.to_vec(),
    };
    let long: Vec<u32> = (0..14).map(|i| (i * 5 + 3) % 23).collect();
    vec![
        vec![request(&[1, 2, 3, 4, 5, 6], &[7]), request(&[1, 2, 3, 4, 5, 6], &[8])],
        vec![request(&[1, 2, 3, 4, 5, 6, 7], &[9, 10, 11]), request(&[1, 2, 3, 4, 5, 6, 7], &[12, 13])],
        vec![request(&[4, 4, 4, 4, 4, 4, 5], &[1, 2]), request(&[4, 4, 4, 4, 4, 4, 6, 7], &[1, 2])],
        vec![request(&long, &[1, 2, 3, 4, 5]), request(&long, &[6])],
        vec![request(&[20], &[1, 2, 3])],
        vec![request(&[9, 8, 7, 6, 5, 4, 3, 2], &[1, 1]), request(&[9, 8, 7, 6, 5, 4, 3, 2], &[2, 2, 2])],
    ]
}

fn scores<M: CausalLm>(model: &M, max_tokens: usize) -> Vec<Vec<Likelihood>> {
    let questions = questions();
    let mut found = vec![Vec::new(); questions.len()];
    let progress: &dyn Progress = &NoProgress;
    let stage = progress.begin("questions", Unit::Questions, questions.len() as u64);
    score(model, &questions, &BatchConfig { max_tokens }, &stage, |index, likelihoods| {
        found[index] = likelihoods;
        Ok::<(), Error>(())
    })
    .unwrap();
    found
}

#[test]
fn every_likelihood_is_that_of_its_sequence_alone_in_every_family() {
    for config in CONFIGS {
        let model = random(config);
        let expected: Vec<Vec<Likelihood>> = questions()
            .iter()
            .map(|requests| requests.iter().map(|r| by_hand(&model, r)).collect())
            .collect();
        // Everything at once, and hardly anything at once.
        for max_tokens in [4096, 1] {
            for (found, expected) in
                scores(&model, max_tokens).iter().flatten().zip(expected.iter().flatten())
            {
                let close = (found.log_likelihood - expected.log_likelihood).abs() < 1e-4;
                assert!(close, "{} {}: {config}", found.log_likelihood, expected.log_likelihood);
                assert_eq!(found.is_greedy, expected.is_greedy);
            }
        }
    }
}

#[test]
fn a_shared_context_that_pays_goes_through_the_cache_with_the_same_result() {
    let config = CONFIGS[0].replace("\"max_position_embeddings\":16", "\"max_position_embeddings\":512");
    let model = random(&config);
    let context = |salt: u32| (0..200u32).map(|i| (i * i + salt) % 23).collect::<Vec<_>>();
    let question = |salt: u32| {
        let choice = |tokens: &[u32]| Request { context: context(salt), continuation: tokens.to_vec() };
        vec![choice(&[1, 2, 3]), choice(&[4, 5]), choice(&[6, 7, 8, 9])]
    };
    let questions: Vec<Vec<Request>> = (0..3).map(question).collect();
    let mut found = vec![Vec::new(); 3];
    let progress: &dyn Progress = &NoProgress;
    let stage = progress.begin("questions", Unit::Questions, questions.len() as u64);
    score(&model, &questions, &BatchConfig::default(), &stage, |index, likelihoods| {
        found[index] = likelihoods;
        Ok::<(), Error>(())
    })
    .unwrap();
    for (found, request) in found.iter().flatten().zip(questions.iter().flatten()) {
        let expected = by_hand(&model, request);
        assert!((found.log_likelihood - expected.log_likelihood).abs() < 1e-4);
    }
}
