//! Perplexity against its definition, and what it refuses.

use crate::small::{Shipped, llama, shipped};
use dress_core::{Calibration, CausalLm, Forward, NoProgress, NoTap};
use dress_data::{Bos, Corpus, CorpusFormat, WindowConfig, Windows};
use dress_eval::journal::ResultCache;
use dress_eval::{PerplexityConfig, perplexity, window_perplexity};

fn blocks(seqlen: u32) -> Calibration {
    Calibration::from_blocks((0..5).map(|n| (0..seqlen).map(|i| (i * i + 5 * n) % 23).collect()).collect())
}

/// The negative log-likelihood of every token but the first, in f64 from the logits.
fn nats<M: CausalLm>(model: &M, block: &[u32]) -> Vec<f64> {
    let tokens = Calibration::tensor(&[block.to_vec()], &model.device());
    let vocab_size = model.vocab_size();
    let logits: Vec<f64> = model.forward(tokens, &mut Forward::new(&mut NoTap)).into_data().iter().collect();
    let losses = block.windows(2).enumerate().map(|(position, pair)| {
        let row = &logits[position * vocab_size..(position + 1) * vocab_size];
        row.iter().map(|l| l.exp()).sum::<f64>().ln() - row[pair[1] as usize]
    });
    losses.collect()
}

#[test]
fn perplexity_is_its_definition_at_every_batch_size() {
    let (model, blocks) = (llama(), blocks(9));
    let mean = |block: &Vec<u32>| nats(&model, block).iter().sum::<f64>() / 8.0;
    let expected = (blocks.blocks.iter().map(mean).sum::<f64>() / 5.0).exp();
    let mut errors = Vec::new();
    for batch_size in [1, 2, 5] {
        let found = perplexity(&model, &blocks, &PerplexityConfig { batch_size }, &NoProgress).unwrap();
        assert!((found.perplexity / expected - 1.0).abs() < 1e-5, "{} {expected}", found.perplexity);
        assert_eq!((found.tokens, found.targets), (45, 40));
        assert!(found.tokens_per_second > 0.0);
        errors.push(found.loss_standard_error.unwrap());
    }
    assert!(errors.iter().all(|error| (error / errors[0] - 1.0).abs() < 1e-4), "{errors:?}");
}

#[test]
fn with_a_stride_every_token_counts_once_and_bits_a_byte_follow_from_the_text() {
    let Shipped { model, tokenizer, .. } = Shipped::load("llama2-kjv");
    let path = shipped("kjv/heldout.txt");
    let text: String = std::fs::read_to_string(path).unwrap().chars().take(1200).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("acts.txt");
    std::fs::write(&path, &text).unwrap();
    let corpus = Corpus::read(&path, CorpusFormat::Auto).unwrap();
    let config = WindowConfig { stride: Some(24), bos: Bos::None, ..WindowConfig::new(64) };
    let windows = Windows::new(&corpus, &tokenizer, &config).unwrap();
    let ids = tokenizer.encode(&text, false).unwrap();
    let mut expected = 0.0;
    let (mut start, mut counted) = (0, 1);
    while counted < ids.len() {
        let end = (start + 64).min(ids.len());
        expected += nats(&model, &ids[start..end])[counted - start - 1..].iter().sum::<f64>();
        (counted, start) = (end, start + 24);
    }
    let found =
        window_perplexity(&model, &windows, &PerplexityConfig { batch_size: 3 }, None, &NoProgress).unwrap();
    assert_eq!(found.targets as usize, ids.len() - 1);
    let loss = expected / (ids.len() - 1) as f64;
    assert!((found.loss - loss).abs() < 1e-5, "{} {loss}", found.loss);
    let first = tokenizer.encode_with_ends(&text, false).unwrap().1[0];
    let bits = expected / std::f64::consts::LN_2 / (text.len() - first) as f64;
    assert!((found.bits_per_byte.unwrap() - bits).abs() < 1e-5);
}

#[test]
fn windows_that_were_kept_are_reused_and_more_of_them_go_on_from_there() {
    let (model, directory) = (llama(), tempfile::tempdir().unwrap());
    let cache = ResultCache::new(directory.path());
    let all = Windows::from(&blocks(9));
    let few = Windows { windows: all.windows[..2].to_vec(), ..all.clone() };
    let run = |windows: &Windows| {
        window_perplexity(&model, windows, &PerplexityConfig::default(), Some(&cache), &NoProgress).unwrap()
    };
    assert_eq!(run(&few).reused, 0);
    let resumed = run(&all);
    assert_eq!(resumed.reused, 2);
    let fresh = perplexity(&model, &blocks(9), &PerplexityConfig::default(), &NoProgress).unwrap();
    assert_eq!(resumed.perplexity, fresh.perplexity);
    assert_eq!((run(&all).reused, run(&all).perplexity), (5, fresh.perplexity));
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    let message = |blocks: &Calibration| {
        perplexity(&llama(), blocks, &PerplexityConfig::default(), &NoProgress).unwrap_err().to_string()
    };
    assert!(message(&blocks(17)).contains("16 positions"));
    assert!(message(&Calibration::default()).contains("no block"));
    let foreign = Calibration::from_blocks(vec![vec![1, 99]]);
    assert!(message(&foreign).contains("token 99") && message(&foreign).contains("tokenizer"));
}
