//! How fast models are, side by side.

use crate::Error;
use dress_core::burn::tensor::{Int, Tensor};
use dress_core::{Calibration, CausalLm, Forward, KvCache, NoTap, Progress, Unit, parameters};
use dress_kernels::on_a_worker;
use dress_machine::memory;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What is measured, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeedConfig {
    /// Tokens of the prefill.
    pub prefill_tokens: usize,
    /// Tokens of the prompt that decoding starts from.
    pub prompt_tokens: usize,
    /// Tokens that are decoded.
    pub new_tokens: usize,
    /// Rows that are decoded together, one throughput each.
    pub batches: Vec<usize>,
    /// Measured rounds; throughput takes a tenth of them.
    pub repeats: usize,
    /// Rounds before, which are not counted.
    pub warmup: usize,
}

impl Default for SpeedConfig {
    /// Prefill 1 x 2048 and 128 tokens decoded after 128, 50 times.
    fn default() -> Self {
        let batches = vec![1, 8, 64];
        Self { prefill_tokens: 2048, prompt_tokens: 128, new_tokens: 128, batches, repeats: 50, warmup: 2 }
    }
}

impl SpeedConfig {
    /// Checks that there is something to measure, and that a model of that many positions can be.
    ///
    /// # Errors
    /// [`Error::NoRounds`] and [`Error::SpeedTooLong`].
    pub fn check(&self, positions: usize) -> Result<(), Error> {
        if self.repeats == 0 || self.new_tokens < 2 || self.prompt_tokens == 0 || self.prefill_tokens == 0 {
            return Err(Error::NoRounds);
        }
        let lengths = [
            (self.prefill_tokens, "`prefill_tokens`"),
            (self.prompt_tokens.saturating_add(self.new_tokens), "`prompt_tokens` or `new_tokens`"),
        ];
        match lengths.into_iter().find(|(tokens, _)| *tokens > positions) {
            Some((tokens, options)) => Err(Error::SpeedTooLong { tokens, positions, options }),
            None => Ok(()),
        }
    }
}

/// The middle of some measurements and their spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// A tenth of the measurements is below.
    pub p10: f64,
    /// A tenth is above.
    pub p90: f64,
    /// How many there are.
    pub count: usize,
}

/// How fast a model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeedReport {
    /// The settings.
    pub config: SpeedConfig,
    /// Milliseconds of the prefill, batch 1.
    pub prefill_ms: Spread,
    /// Milliseconds from a prompt to its first new token, batch 1.
    pub first_token_ms: Spread,
    /// Milliseconds of each further token with the KV cache, batch 1.
    pub decode_ms: Spread,
    /// New tokens a second, prefill included.
    pub throughput: Vec<Throughput>,
    /// Bytes of the parameters and of the most that the prefill took besides; absent where the system does
    /// not say.
    pub peak_memory: Option<u64>,
}

/// New tokens a second at one batch size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Rows decoded together.
    pub batch: usize,
    /// New tokens a second of all rows.
    pub tokens_per_second: Spread,
}

/// Measures `models` in turn, one round of each after the other, so that a drift of the machine is in all of
/// them alike.
///
/// # Errors
/// Those of [`SpeedConfig::check`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::NoProgress;
/// use dress_eval::{SpeedConfig, speed};
///
/// let config = SpeedConfig {
///     prefill_tokens: 8,
///     prompt_tokens: 4,
///     new_tokens: 2,
///     batches: vec![1],
///     repeats: 1,
///     warmup: 0,
/// };
/// let reports = speed(&[&model], &config, &NoProgress)?;
/// assert!(reports.len() == 1 && reports[0].prefill_ms.median > 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn speed<M: CausalLm>(
    models: &[&M],
    config: &SpeedConfig,
    progress: &dyn Progress,
) -> Result<Vec<SpeedReport>, Error> {
    models.iter().try_for_each(|model| config.check(model.max_positions()))?;
    let mut measured: Vec<Measured> = models.iter().map(|_| Measured::new(config)).collect();
    let slow = config.repeats.div_ceil(10);
    let rounds = config.warmup + config.repeats;
    let stage = progress.begin("speed", Unit::Rounds, (rounds * models.len()) as u64);
    for round in 0..rounds {
        for (model, measured) in models.iter().zip(&mut measured) {
            let counts = round >= config.warmup;
            if round == 0 {
                // What was used before is no part of what this model takes.
                memory::hand_back();
            }
            measured.round(*model, config, counts);
            if counts && round - config.warmup < slow {
                measured.throughput(*model, config);
            }
            stage.advance(1)?;
        }
    }
    drop(stage);
    let finished = measured.into_iter().zip(models);
    Ok(finished.map(|(measured, model)| measured.report(*model, config)).collect())
}

struct Measured {
    prefill: Vec<f64>,
    first: Vec<f64>,
    decode: Vec<f64>,
    throughput: Vec<Vec<f64>>,
    growth: Option<u64>,
}

impl Measured {
    fn new(config: &SpeedConfig) -> Self {
        let throughput = vec![Vec::new(); config.batches.len()];
        Self { prefill: Vec::new(), first: Vec::new(), decode: Vec::new(), throughput, growth: None }
    }

    fn round<M: CausalLm>(&mut self, model: &M, config: &SpeedConfig, counts: bool) {
        let before = memory::reset_peak().then(memory::resident).flatten();
        let prefill = milliseconds(|| {
            let tokens = prompt(model, 1, config.prefill_tokens);
            let logits = model.forward_last(tokens, &mut Forward::new(&mut NoTap));
            next(logits);
        });
        let growth = before.and_then(|before| Some(memory::peak()?.saturating_sub(before)));
        // The allocator keeps what the first round took for the next ones.
        self.growth = self.growth.max(growth);
        let (first, decode) = generate(model, 1, config);
        if counts {
            self.prefill.push(prefill);
            self.first.push(first);
            self.decode.extend(decode);
        }
    }

    fn throughput<M: CausalLm>(&mut self, model: &M, config: &SpeedConfig) {
        for (&batch, measured) in config.batches.iter().zip(&mut self.throughput) {
            let (first, decode) = generate(model, batch, config);
            let seconds = (first + decode.iter().sum::<f64>()) / 1e3;
            measured.push((batch * config.new_tokens) as f64 / seconds);
        }
    }

    fn report<M: CausalLm>(self, model: &M, config: &SpeedConfig) -> SpeedReport {
        let bytes =
            |p: &parameters::ParameterInfo| (p.shape.iter().product::<usize>() * p.dtype.size()) as u64;
        let weights: u64 = parameters::list(model).iter().map(bytes).sum();
        let throughput = config.batches.iter().zip(&self.throughput);
        SpeedReport {
            config: config.clone(),
            prefill_ms: Spread::of(&self.prefill),
            first_token_ms: Spread::of(&self.first),
            decode_ms: Spread::of(&self.decode),
            throughput: throughput
                .map(|(&batch, measured)| Throughput { batch, tokens_per_second: Spread::of(measured) })
                .collect(),
            peak_memory: self.growth.map(|growth| weights + growth),
        }
    }
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len().saturating_sub(1)) as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            sorted[below] + (sorted[above] - sorted[below]) * place.fract()
        };
        match sorted.is_empty() {
            true => Self { median: 0.0, p10: 0.0, p90: 0.0, count: 0 },
            false => Self { median: at(0.5), p10: at(0.1), p90: at(0.9), count: sorted.len() },
        }
    }
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e3
}

/// Tokens that are the same in every run.
fn prompt<M: CausalLm>(model: &M, batch: usize, len: usize) -> Tensor<2, Int> {
    let vocab_size = model.vocab_size() as u32;
    let row =
        |row: usize| (0..len).map(|i| (i as u32 * 7919 + row as u32 * 104_729 + 17) % vocab_size).collect();
    Calibration::tensor(&(0..batch).map(row).collect::<Vec<Vec<u32>>>(), &model.device())
}

/// The likeliest next tokens, read back, so that the device has finished.
fn next(logits: Tensor<3>) -> Tensor<2, Int> {
    let tokens = logits.argmax(2).squeeze_dim::<2>(2);
    let _ = tokens.to_data();
    tokens
}

/// Milliseconds of the first token, and of each one behind it.
fn generate<M: CausalLm>(model: &M, batch: usize, config: &SpeedConfig) -> (f64, Vec<f64>) {
    let mut cache = KvCache::new(model.num_layers(), config.prompt_tokens + config.new_tokens);
    let (mut tokens, device) = (prompt(model, batch, config.prompt_tokens), model.device());
    let mut step = |tokens: &mut Tensor<2, Int>| {
        milliseconds(|| {
            on_a_worker(&device, || {
                let pass = &mut NoTap;
                let mut pass = Forward::new(pass).with_cache(&mut cache);
                *tokens = next(model.forward_last(tokens.clone(), &mut pass));
            });
        })
    };
    let first = step(&mut tokens);
    (first, (1..config.new_tokens).map(|_| step(&mut tokens)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_median_and_the_outer_tenths() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!((spread.median, spread.count), (3.0, 5));
        assert!((spread.p10 - 1.4).abs() < 1e-12 && (spread.p90 - 4.6).abs() < 1e-12);
    }
}
