//! Perplexity against its definition, and what it refuses.

use dress_core::burn::tensor::Device;
use dress_core::{Calibration, CausalLm, Forward, NoProgress, NoTap};
use dress_eval::{PerplexityConfig, perplexity};
use dress_models::AnyModel;
use std::path::Path;

const CONFIG: &str = r#"{"model_type":"llama","vocab_size":23,"hidden_size":12,"intermediate_size":10,
    "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4,
    "max_position_embeddings":16,"initializer_range":0.3}"#;

fn model() -> AnyModel {
    AnyModel::from_config(CONFIG, Path::new("config.json"), &Device::flex()).unwrap()
}

fn blocks(seqlen: u32) -> Calibration {
    Calibration::from_blocks((0..5).map(|n| (0..seqlen).map(|i| (i * i + 5 * n) % 23).collect()).collect())
}

/// `exp` of the mean over blocks of the mean over targets, in f64 from the logits.
fn by_hand(model: &AnyModel, blocks: &Calibration) -> f64 {
    let loss = |block: &Vec<u32>| {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        let logits: Vec<f64> =
            model.forward(tokens, &mut Forward::new(&mut NoTap)).into_data().iter().collect();
        let losses = block.windows(2).enumerate().map(|(position, pair)| {
            let row = &logits[position * 23..(position + 1) * 23];
            row.iter().map(|l| l.exp()).sum::<f64>().ln() - row[pair[1] as usize]
        });
        losses.sum::<f64>() / (block.len() - 1) as f64
    };
    (blocks.blocks.iter().map(loss).sum::<f64>() / blocks.blocks.len() as f64).exp()
}

#[test]
fn perplexity_is_its_definition_at_every_batch_size() {
    let (model, blocks) = (model(), blocks(9));
    let expected = by_hand(&model, &blocks);
    for batch_size in [1, 2, 5] {
        let found = perplexity(&model, &blocks, &PerplexityConfig { batch_size }, &NoProgress).unwrap();
        assert!((found.perplexity / expected - 1.0).abs() < 1e-5, "{} {expected}", found.perplexity);
        assert_eq!(found.tokens, 45);
        assert!(found.tokens_per_second > 0.0);
    }
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    let message = |blocks: &Calibration| {
        perplexity(&model(), blocks, &PerplexityConfig::default(), &NoProgress).unwrap_err().to_string()
    };
    assert!(message(&blocks(17)).contains("16 positions"));
    assert!(message(&Calibration::default()).contains("no block"));
    let foreign = Calibration::from_blocks(vec![vec![1, 99]]);
    assert!(message(&foreign).contains("token 99") && message(&foreign).contains("tokenizer"));
}
