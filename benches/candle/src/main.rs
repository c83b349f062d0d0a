//! How fast candle runs a LLaMA checkpoint on this machine's CPU: medians, as one JSON line.
//!
//! usage: candle-speed DIR SEQLEN REPEATS

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama, LlamaConfig};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Tokens before those that are decoded, and how many are.
const PROMPT: usize = 64;
const NEW: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, seqlen, repeats] = arguments.as_slice() else {
        return Err("usage: candle-speed DIR SEQLEN REPEATS".into());
    };
    let (seqlen, repeats): (usize, usize) = (seqlen.parse()?, repeats.parse()?);
    let directory = Path::new(directory);
    let config = std::fs::read_to_string(directory.join("config.json"))?;
    let config = serde_json::from_str::<LlamaConfig>(&config)?.into_config(false);
    let device = Device::Cpu;
    // SAFETY: nothing else writes the file while this runs.
    let weights = unsafe {
        VarBuilder::from_mmaped_safetensors(&[directory.join("model.safetensors")], DType::F32, &device)?
    };
    let model = Llama::load(weights, &config)?;
    let prefill = median(repeats, || {
        let mut cache = Cache::new(false, DType::F32, &config, &device)?;
        let began = Instant::now();
        let logits = model.forward(&ids(seqlen, &config, &device)?, 0, &mut cache)?;
        logits.flatten_all()?.to_vec1::<f32>()?;
        Ok(began.elapsed().as_secs_f64())
    })?;
    let decode = median(repeats, || {
        let mut cache = Cache::new(true, DType::F32, &config, &device)?;
        model.forward(&ids(PROMPT, &config, &device)?, 0, &mut cache)?;
        let began = Instant::now();
        for position in PROMPT..PROMPT + NEW {
            let logits = model.forward(&ids(1, &config, &device)?, position, &mut cache)?;
            logits.flatten_all()?.to_vec1::<f32>()?;
        }
        Ok(began.elapsed().as_secs_f64() / NEW as f64)
    })?;
    let (prefill, decode) = (seqlen as f64 / prefill, 1.0 / decode);
    println!("{{\"last_tokens_per_second\": {prefill:.1}, \"decode_tokens_per_second\": {decode:.2}}}");
    Ok(())
}

fn ids(len: usize, config: &Config, device: &Device) -> candle_core::Result<Tensor> {
    let ids: Vec<u32> = (0..len).map(|i| (i * 7919 % config.vocab_size) as u32).collect();
    Tensor::new(ids, device)?.unsqueeze(0)
}

/// The median of several times, after one that does not count.
fn median(
    repeats: usize,
    mut act: impl FnMut() -> Result<f64, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    act()?;
    let mut seconds = (0..repeats).map(|_| act()).collect::<Result<Vec<_>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}
