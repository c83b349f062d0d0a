//! Perplexity over windows of a text.

use crate::Error;
use crate::journal::{ResultCache, ResultKey};
use crate::scoring::score_targets;
use dress_core::{Calibration, CausalLm, CorpusProvenance, Forward, NoTap, Progress, Unit};
use dress_data::{Bos, Protocol, Window, Windows};
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
    /// `exp` of the mean negative log-likelihood a counted token; over blocks of equal length that is the
    /// mean over blocks of each block's mean.
    pub perplexity: f64,
    /// Mean negative log-likelihood a target, in nats.
    pub loss: f64,
    /// Standard error of that mean over blocks, in nats; absent for a single block.
    pub loss_standard_error: Option<f64>,
    /// Bits that the model needs a byte of the counted text, where the bytes are known.
    pub bits_per_byte: Option<f64>,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Tokens whose likelihood counts.
    pub targets: u64,
    /// Tokens a second, forward pass and loss.
    pub tokens_per_second: f64,
    /// Seconds of the whole evaluation.
    pub seconds: f64,
    /// Windows whose result was there already, for the same hashes.
    pub reused: usize,
    /// How the papers prepare this corpus, where that was asked for.
    pub protocol: Option<Protocol>,
    /// Tokens from one window's start to the next, where they overlap.
    pub stride: Option<usize>,
    /// Where the token stands that begins a text.
    pub bos: Bos,
    /// The text.
    pub data: CorpusProvenance,
}

/// What a model loses on one window: what two models lose on the same ones can be paired
/// ([`PairedDifference`](crate::PairedDifference)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WindowLoss {
    /// The sum of the negative log-likelihoods of its counted tokens, in nats.
    pub nats: f64,
    /// How many tokens count.
    pub targets: usize,
}

/// What is kept of one window.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct WindowResult {
    window: usize,
    nats: f64,
    targets: usize,
    seconds: f64,
}

/// The perplexity of `model` over `blocks`: per block the mean over its `seqlen - 1` targets, then
/// the mean over blocks, then `exp` (SliceGPT's, SparseGPT's and Wanda's definition).
///
/// # Errors
/// [`Error::NoData`], [`Error::NotFinite`] and those of [`Calibration::check`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Calibration, NoProgress};
/// use dress_eval::{PerplexityConfig, perplexity};
///
/// let blocks = Calibration::from_blocks(vec![vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
/// let report = perplexity(&model, &blocks, &PerplexityConfig::default(), &NoProgress)?;
/// // A model that knows nothing is about as unsure as its 32 words allow.
/// assert!(report.perplexity > 10.0 && report.perplexity < 100.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn perplexity<M: CausalLm>(
    model: &M,
    blocks: &Calibration,
    config: &PerplexityConfig,
    progress: &dyn Progress,
) -> Result<PerplexityReport, Error> {
    window_perplexity(model, &blocks.into(), config, None, progress)
}

/// As [`perplexity`], over windows that may overlap. Windows that `cache` has for the same model, text,
/// tokenizer and cut are not computed again.
///
/// # Errors
/// As [`perplexity`], and [`Error::Io`] of the kept results.
pub fn window_perplexity<M: CausalLm>(
    model: &M,
    windows: &Windows,
    config: &PerplexityConfig,
    cache: Option<&ResultCache>,
    progress: &dyn Progress,
) -> Result<PerplexityReport, Error> {
    Ok(perplexity_by_window(model, windows, config, cache, progress)?.0)
}

/// [`window_perplexity`], and what each window says.
///
/// # Errors
/// As [`window_perplexity`].
pub fn perplexity_by_window<M: CausalLm>(
    model: &M,
    windows: &Windows,
    config: &PerplexityConfig,
    cache: Option<&ResultCache>,
    progress: &dyn Progress,
) -> Result<(PerplexityReport, Vec<WindowLoss>), Error> {
    check(model, windows)?;
    let tokens = windows.windows.first().map_or(0, |window| window.tokens.len());
    let stage = progress.begin("perplexity", Unit::Blocks, windows.windows.len() as u64).of_tokens(tokens);
    let (kept, mut journal) = match cache {
        Some(cache) => {
            cache.open::<WindowResult>(&key(model, windows)).map(|(kept, journal)| (kept, Some(journal)))?
        }
        None => (Vec::new(), None),
    };
    let mut results: Vec<Option<WindowResult>> = vec![None; windows.windows.len()];
    for result in kept {
        if let Some(place) = results.get_mut(result.window) {
            *place = Some(result);
        }
    }
    let reused = results.iter().flatten().count();
    if reused > 0 {
        tracing::info!("{reused} of {} blocks are reused", results.len());
        stage.reuse(reused as u64);
    }
    let missing: Vec<usize> = (0..results.len()).filter(|&index| results[index].is_none()).collect();
    for batch in equally_long(&missing, &windows.windows, config.batch_size.max(1)) {
        for result in evaluate(model, &batch, &windows.windows)? {
            if let Some(journal) = &mut journal {
                journal.keep(&result)?;
            }
            results[result.window] = Some(result);
        }
        let done: Vec<WindowResult> = results.iter().flatten().copied().collect();
        let loss = loss(&done);
        stage.advance_with(batch.len() as u64, Some(loss), &format!("perplexity {:.3}", loss.exp()))?;
    }
    drop(stage);
    let results: Vec<WindowResult> = results.into_iter().flatten().collect();
    let losses = results.iter().map(|&WindowResult { nats, targets, .. }| WindowLoss { nats, targets });
    Ok((report(&results, windows, reused), losses.collect()))
}

fn check<M: CausalLm>(model: &M, windows: &Windows) -> Result<(), Error> {
    if windows.windows.is_empty() {
        return Err(Error::NoData);
    }
    Ok(windows.blocks().check(model)?)
}

fn key<M: CausalLm>(model: &M, windows: &Windows) -> ResultKey {
    // The number of windows is left out: the first ones are the same however many there are.
    let data = CorpusProvenance { blocks: 0, path: String::new(), ..windows.provenance.clone() };
    let cut = (data, windows.stride, windows.protocol, windows.bos);
    ResultKey::new("perplexity", &(ResultKey::of_model(model), cut))
}

/// Windows that can be one tensor.
fn equally_long(indices: &[usize], windows: &[Window], batch_size: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for &index in indices {
        match batches.last_mut() {
            Some(batch)
                if batch.len() < batch_size
                    && windows[batch[0]].tokens.len() == windows[index].tokens.len() =>
            {
                batch.push(index);
            }
            _ => batches.push(vec![index]),
        }
    }
    batches
}

fn evaluate<M: CausalLm>(model: &M, batch: &[usize], windows: &[Window]) -> Result<Vec<WindowResult>, Error> {
    let began = Instant::now();
    let tokens: Vec<Vec<u32>> = batch.iter().map(|&index| windows[index].tokens.clone()).collect();
    let seq = tokens[0].len();
    let hidden = model.hidden(Calibration::tensor(&tokens, &model.device()), &mut Forward::new(&mut NoTap));
    let counted = batch.iter().map(|&index| windows[index].counted_from..seq);
    let places: Vec<usize> = counted
        .clone()
        .enumerate()
        .flat_map(|(row, range)| range.map(move |at| row * seq + at - 1))
        .collect();
    let targets: Vec<u32> =
        counted.clone().enumerate().flat_map(|(row, range)| tokens[row][range].to_vec()).collect();
    let scores = score_targets(model, hidden, &places, &targets);
    let seconds = began.elapsed().as_secs_f64() / batch.len() as f64;
    let mut taken = 0;
    let results = batch.iter().zip(counted).map(|(&window, range)| {
        let counted = &scores[taken..taken + range.len()];
        let nats = -counted.iter().map(|score| score.log_likelihood).sum::<f64>();
        taken += range.len();
        if !nats.is_finite() {
            return Err(Error::NotFinite { block: window, value: nats / range.len() as f64 });
        }
        Ok(WindowResult { window, nats, targets: range.len(), seconds })
    });
    results.collect()
}

fn loss(results: &[WindowResult]) -> f64 {
    let targets: usize = results.iter().map(|result| result.targets).sum();
    results.iter().map(|result| result.nats).sum::<f64>() / targets as f64
}

fn report(results: &[WindowResult], windows: &Windows, reused: usize) -> PerplexityReport {
    let (count, loss) = (results.len() as f64, loss(results));
    let means = results.iter().map(|result| result.nats / result.targets as f64);
    let variance = means.map(|mean| (mean - loss).powi(2)).sum::<f64>() / (count - 1.0);
    let tokens = windows.windows.iter().map(|window| window.tokens.len() as u64).sum();
    let bytes: usize = windows.windows.iter().map(|window| window.bytes).sum();
    let nats: f64 = results.iter().map(|result| result.nats).sum();
    let seconds: f64 = results.iter().map(|result| result.seconds).sum();
    PerplexityReport {
        perplexity: loss.exp(),
        loss,
        loss_standard_error: (results.len() > 1).then(|| (variance / count).sqrt()),
        bits_per_byte: (bytes > 0).then(|| nats / std::f64::consts::LN_2 / bytes as f64),
        tokens,
        targets: results.iter().map(|result| result.targets as u64).sum(),
        tokens_per_second: tokens as f64 / seconds,
        seconds,
        reused,
        protocol: windows.protocol,
        stride: windows.stride,
        bos: windows.bos,
        data: windows.provenance.clone(),
    }
}
