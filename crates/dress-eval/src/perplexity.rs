//! Perplexity over non-overlapping blocks.

use crate::Error;
use dress_core::burn::tensor::DType;
use dress_core::{Calibration, CausalLm, CorpusProvenance, Forward, NoTap, Progress};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How perplexity is measured.
#[derive(Debug, Clone, Copy)]
pub struct PerplexityConfig {
    /// Blocks that go through the model together; the result does not depend on it.
    pub batch_size: usize,
}

impl Default for PerplexityConfig {
    fn default() -> Self {
        Self { batch_size: 1 }
    }
}

/// A perplexity with what it takes to measure it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerplexityReport {
    /// `exp` of the mean over blocks of the mean negative log-likelihood a target.
    pub perplexity: f64,
    /// Mean negative log-likelihood a target, in nats.
    pub loss: f64,
    /// Standard error of that mean over blocks, in nats; absent for a single block.
    pub loss_standard_error: Option<f64>,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Tokens a second, forward pass and loss.
    pub tokens_per_second: f64,
    /// Seconds of the whole evaluation.
    pub seconds: f64,
    /// The text.
    pub data: CorpusProvenance,
}

/// The perplexity of `model` over `blocks`: per block the mean over its `seqlen - 1` targets, then
/// the mean over blocks, then `exp` (SliceGPT's, SparseGPT's and Wanda's definition).
///
/// # Errors
/// [`Error::NoData`], [`Error::NotFinite`] and those of [`Calibration::check`].
pub fn perplexity<M: CausalLm>(
    model: &M,
    blocks: &Calibration,
    config: &PerplexityConfig,
    progress: &dyn Progress,
) -> Result<PerplexityReport, Error> {
    check(model, blocks)?;
    let began = Instant::now();
    progress.start("perplexity", blocks.blocks.len() as u64);
    let mut losses = Vec::new();
    for batch in blocks.blocks.chunks(config.batch_size.max(1)) {
        let loss = batch_loss(model, batch);
        if !loss.is_finite() {
            return Err(Error::NotFinite { block: losses.len(), value: loss });
        }
        // Blocks are equally long, so the mean over a batch stands for each of its blocks.
        losses.extend(batch.iter().map(|_| loss));
        let running = (losses.iter().sum::<f64>() / losses.len() as f64).exp();
        progress.advance(batch.len() as u64, &format!("perplexity {running:.3}"));
    }
    progress.finish();
    Ok(report(&losses, blocks, began.elapsed().as_secs_f64()))
}

fn check<M: CausalLm>(model: &M, blocks: &Calibration) -> Result<(), Error> {
    if blocks.blocks.is_empty() {
        return Err(Error::NoData);
    }
    Ok(blocks.check(model)?)
}

fn batch_loss<M: CausalLm>(model: &M, batch: &[Vec<u32>]) -> f64 {
    let mut tap = NoTap;
    let tokens = Calibration::tensor(batch, &model.device());
    let loss = model.next_token_loss(tokens, &mut Forward::new(&mut tap));
    loss.cast(DType::F32).into_scalar::<f32>().into()
}

fn report(losses: &[f64], blocks: &Calibration, seconds: f64) -> PerplexityReport {
    let count = losses.len() as f64;
    let loss = losses.iter().sum::<f64>() / count;
    let variance = losses.iter().map(|l| (l - loss).powi(2)).sum::<f64>() / (count - 1.0);
    let tokens = blocks.blocks.iter().map(|block| block.len() as u64).sum();
    PerplexityReport {
        perplexity: loss.exp(),
        loss,
        loss_standard_error: (losses.len() > 1).then(|| (variance / count).sqrt()),
        tokens,
        tokens_per_second: tokens as f64 / seconds,
        seconds,
        data: blocks.provenance.clone(),
    }
}
