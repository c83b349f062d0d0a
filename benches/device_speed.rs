//! Prefill, decode and a regularization step on one device, on models of LLaMA-3-8B's shapes with random
//! weights, dense and with parts of the width removed: one JSON line, the device's own ceilings in it.
//!
//! `cargo run --release -p dress-benches --bin device_speed --features cuda -- --device cuda --dtype bf16`;
//! `benches/device_against_torch.py` runs it beside PyTorch.

use clap::Parser;
use dress_benches::{forward_macs, llama3_8b, narrower, resized, tokens};
use dress_core::burn::tensor::{DType, Device, Distribution, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{CausalLm, NoProgress};
use dress_eval::{SpeedConfig, speed};
use dress_models::{AnyModel, FloatType};
use dress_prune::{PenaltyForm, SelectedPenalty};
use dress_regularize::{ComponentWeights, PenaltyKind, Regularizer, Schedule, SlotChoice};
use dress_train::{GradientCheckpointing, Precision, TrainConfig, train};
use serde_json::{Value, json};
use std::error::Error;
use std::time::Instant;

#[derive(Parser)]
struct Args {
    /// Where to compute, as `dress` takes it.
    #[arg(long, default_value = "auto")]
    device: String,
    /// The type of the weights and activations.
    #[arg(long, default_value = "bf16")]
    dtype: FloatType,
    /// Layers of the models that are read; the whole one has 32.
    #[arg(long, default_value_t = 32)]
    layers: usize,
    /// Layers of the models that are trained.
    #[arg(long, default_value_t = 8)]
    step_layers: usize,
    /// Shares of the width to remove, in percent.
    #[arg(long, value_delimiter = ',', default_value = "0,25,50")]
    percents: Vec<usize>,
    /// Tokens of a prefill and of a step.
    #[arg(long, default_value_t = 2048)]
    seqlen: usize,
    /// Tokens that are decoded after a prompt of 64.
    #[arg(long, default_value_t = 32)]
    new_tokens: usize,
    /// Rounds of prefill and decode, and steps; 0 leaves them out.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Steps; 0 leaves them out.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// What the steps compute again: none or layers.
    #[arg(long, default_value = "none")]
    checkpointing: GradientCheckpointing,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let device = dress_machine::device::parse(&args.device)?;
    let dtype = args.dtype.dtype();
    let mut found = json!({ "device": args.device, "dtype": args.dtype.torch_name(), "seqlen": args.seqlen });
    found["ceilings"] = ceilings(&device, dtype, args.seqlen);
    eprintln!("{found}");
    let mut rows = Vec::new();
    for &percent in &args.percents {
        let mut row = json!({ "percent": percent });
        if args.rounds > 0 {
            let model = model(&device, dtype, args.layers, percent);
            read(&model, &args, &mut row)?;
        }
        if args.steps > 0 {
            let model = model(&device, dtype, args.step_layers, percent);
            row["step"] = step(model, &args)?;
        }
        eprintln!("{row}");
        rows.push(row);
    }
    found["rows"] = rows.into();
    println!("{found}");
    Ok(())
}

/// A model of random weights of that type.
fn model(device: &Device, dtype: DType, layers: usize, percent: usize) -> AnyModel {
    struct Cast(DType);
    impl ParameterMapper for Cast {
        fn map<const D: usize>(&mut self, _name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
            value.cast(self.0)
        }
    }
    let declared = llama3_8b(layers, device);
    let declared = resized(&declared, &narrower(&declared, percent));
    parameters::map(declared, &mut Cast(dtype))
}

/// Seconds of the fastest of several runs of `body`, the device waited for: over so long that a card that was
/// idle has its clock up.
fn fastest<R>(device: &Device, mut body: impl FnMut() -> R) -> Result<f64, Box<dyn Error>> {
    let (mut least, start) = (f64::INFINITY, Instant::now());
    while least.is_infinite() || start.elapsed().as_secs_f64() < 1.0 {
        let began = Instant::now();
        let kept = body();
        device.sync()?;
        least = least.min(began.elapsed().as_secs_f64());
        drop(kept);
    }
    Ok(least)
}

/// Multiply-adds of plain products and bytes of a plain pass over memory, each a second.
fn ceilings(device: &Device, dtype: DType, seqlen: usize) -> Value {
    let random =
        |rows, columns| Tensor::<2>::random([rows, columns], Distribution::Default, device).cast(dtype);
    let product = |[m, k, n]: [usize; 3]| {
        let (left, right) = (random(m, k), random(k, n));
        let seconds = fastest(device, || left.clone().matmul(right.clone()));
        seconds.map_or(Value::Null, |seconds| (2.0 * (m * k * n) as f64 / seconds / 1e12).into())
    };
    let pass = random(1 << 15, 1 << 14);
    let bytes = 2.0 * (1u64 << 29) as f64 * dtype.size() as f64;
    let seconds = fastest(device, || pass.clone() + 1.0);
    json!({
        "product_8192_tflops": product([8192, 8192, 8192]),
        "product_ffn_tflops": product([seqlen, 4096, 14336]),
        "pass_gb_per_s": seconds.map_or(Value::Null, |seconds| (bytes / seconds / 1e9).into()),
    })
}

/// Prefill and decode.
fn read(model: &AnyModel, args: &Args, row: &mut Value) -> Result<(), Box<dyn Error>> {
    let config = SpeedConfig {
        prefill_tokens: args.seqlen,
        prompt_tokens: 64,
        new_tokens: args.new_tokens,
        batches: vec![],
        repeats: args.rounds,
        warmup: 2,
    };
    let report = speed(&[model], &config, &NoProgress)?.remove(0);
    row["parameters"] = parameters::count(model).into();
    row["prefill_ms"] = report.prefill_ms.median.into();
    row["decode_ms"] = report.decode_ms.median.into();
    let head = (args.seqlen - 1) as u64 * last_head_macs(model);
    let flops = 2.0 * (forward_macs(model, 1, args.seqlen) - head) as f64;
    row["prefill_tflops"] = (flops / report.prefill_ms.median / 1e9).into();
    let bytes = (parameters::count(model) - last_head_macs(model)) as f64 * args.dtype.size() as f64;
    row["decode_gb_per_s"] = (bytes / report.decode_ms.median / 1e6).into();
    Ok(())
}

/// Multiply-adds of one token's logits, and as many numbers in the embedding, of which a token reads one row.
fn last_head_macs(model: &AnyModel) -> u64 {
    let list = parameters::list(model);
    list.iter().find(|parameter| parameter.name == "lm_head.weight").map_or(0, |head| head.elements())
}

/// Forward, backward, AdamW and a proximal step on the last quarter of the width, as `dress prune` has it.
fn step(model: AnyModel, args: &Args) -> Result<Value, Box<dyn Error>> {
    let data = tokens(args.steps + 2, args.seqlen, model.vocab_size());
    let selection = narrower(&model, 25);
    let (weights, slots) = (ComponentWeights::default(), SlotChoice::default());
    let regularizer = Regularizer::new(&model, &selection, PenaltyKind::Group, weights, slots)?;
    let regularization = SelectedPenalty {
        regularizer: &regularizer,
        form: PenaltyForm::Proximal,
        lambda: 1.0,
        schedule: Schedule::Constant,
        gate: None,
        refit: None,
        activations: None,
        kept_only: false,
        slicer: None,
    };
    let config = TrainConfig {
        precision: Precision::of_weights(args.dtype.dtype()),
        gradient_checkpointing: args.checkpointing,
        ..TrainConfig::default()
    };
    let parameters = parameters::count(&model);
    let curve = train(model, &data, &config, &regularization, &NoProgress)?.curve;
    let mut seconds: Vec<f64> =
        curve.windows(2).skip(1).map(|pair| pair[1].seconds - pair[0].seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let loss: Vec<f64> = curve.iter().map(|point| point.loss).collect();
    Ok(
        json!({ "parameters": parameters, "median_s": seconds[seconds.len() / 2], "least_s": seconds[0], "losses": loss }),
    )
}
