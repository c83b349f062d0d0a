//! Rotary scaling of GGUF metadata: linear in its spellings, and LLaMA-3's in the factors that its converter
//! computed.

use super::facts::{Facts, REMEDY};
use super::{TensorInfo, TensorType};
use crate::modules::RopeScaling;
use serde_json::{Value, json};

/// The divisor of the frequencies, by llama.cpp's rules: scaling is linear where no type is said, and the
/// factor has an older name.
pub(super) fn scale(facts: &Facts<'_, '_>) -> Result<f64, String> {
    let kind = facts.header.metadata.get(facts.key("rope.scaling.type").as_str());
    match kind.map(|kind| kind.text()) {
        None | Some(Some("linear")) => {}
        Some(Some("none")) => return Ok(1.0),
        Some(other) => {
            let other = other.unwrap_or("no text");
            return Err(format!("rope scaling `{other}` is not built, only linear and llama3"));
        }
    }
    match facts.float("rope.scaling.factor").or_else(|| facts.float("rope.scale_linear")) {
        None => Ok(1.0),
        Some(0.0) => Ok(1.0),
        Some(factor) if factor > 0.0 => Ok(factor),
        Some(factor) => {
            Err(format!("its metadata has the rope scaling factor {factor}, which is not above 0"))
        }
    }
}

/// The keys under which these crates write LLaMA-3's scaling beside its factors, from which it cannot be
/// told.
pub(super) const OWN_KEYS: [&str; 4] = [
    "dress.rope.factor",
    "dress.rope.low_freq_factor",
    "dress.rope.high_freq_factor",
    "dress.rope.original_context_length",
];

/// By what each frequency of a head is divided.
pub(super) fn llama3_factors(scaling: RopeScaling, theta: f64, head_dim: usize) -> impl Iterator<Item = f64> {
    (0..head_dim / 2).map(move |i| {
        let frequency = theta.powf(-2.0 * i as f64 / head_dim as f64);
        frequency / scaling.apply(frequency)
    })
}

/// LongRoPE's divisors are tensors, and what cosines and sines are multiplied by is in the metadata.
pub(super) fn long_rope<'f>(
    facts: &Facts<'_, '_>,
    rotated: u64,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<Value, String> {
    let read = |name: &str| {
        let Some(tensor) = facts.header.tensors.get(name) else { return Ok(None) };
        if tensor.kind != TensorType::F32 || tensor.shape != [rotated as usize / 2] {
            let (shape, kind) = (&tensor.shape, tensor.kind);
            return Err(format!(
                "{name} is {shape:?} of {kind:?}, and {} numbers of F32 are read; {REMEDY}",
                rotated / 2
            ));
        }
        let numbers = bytes(tensor).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Some(numbers.map(|number| shortest(number.into())).collect::<Vec<_>>()))
    };
    match [read("rope_factors_short.weight")?, read("rope_factors_long.weight")?] {
        [None, None] => Ok(Value::Null),
        [Some(short), Some(long)] => {
            let mut keys = json!({ "rope_type": "longrope", "short_factor": short, "long_factor": long });
            if let Some(factor) = facts.float("rope.scaling.attn_factor") {
                keys["attention_factor"] = json!(factor);
            }
            Ok(keys)
        }
        _ => Err(format!("it has the divisors of long texts or of short ones, and not both; {REMEDY}")),
    }
}

/// The number that was rounded to f32 when it was written: 1e-5, not 9.999999747378752e-6.
pub(super) fn shortest(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// Linear scaling is in the metadata, LLaMA-3's only in the factors that its converter computed.
pub(super) fn rope_scaling<'f>(
    facts: &Facts<'_, '_>,
    head_dim: u64,
    bytes: &dyn Fn(&TensorInfo) -> &'f [u8],
) -> Result<Value, String> {
    let factor = scale(facts)?;
    if factor != 1.0 {
        if facts.header.tensors.contains_key("rope_freqs.weight") {
            return Err(format!("rope_freqs.weight beside linear scaling is not built; {REMEDY}"));
        }
        return Ok(json!({ "rope_type": "linear", "factor": factor }));
    }
    let Some(tensor) = facts.header.tensors.get("rope_freqs.weight") else { return Ok(Value::Null) };
    if tensor.kind != TensorType::F32 || tensor.shape != [head_dim as usize / 2] {
        return Err(format!(
            "rope_freqs.weight is {:?} of {:?}, and {} numbers of F32 are read; {REMEDY}",
            tensor.shape,
            tensor.kind,
            head_dim / 2
        ));
    }
    let factors: Vec<f64> =
        bytes(tensor).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect();
    let theta = facts.float("rope.freq_base").unwrap_or(10_000.0);
    let said = OWN_KEYS.map(|key| facts.header.metadata.get(key).and_then(|value| value.float()));
    let [factor, low, high, original] = match said {
        [Some(factor), Some(low), Some(high), Some(original)] => [factor, low, high, original],
        _ => [factors.iter().copied().fold(1.0, f64::max), 1.0, 4.0, 8192.0],
    };
    let scaling = RopeScaling::Llama3 {
        factor,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
    };
    let fits = llama3_factors(scaling, theta, head_dim as usize)
        .zip(&factors)
        .all(|(factor, found)| (factor - found).abs() < 1e-3 * found);
    if !fits {
        return Err(
            "its rope_freqs are not those of LLaMA-3's scaling; use the Hugging Face checkpoint".into()
        );
    }
    Ok(json!({
        "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
        "original_max_position_embeddings": original as u64,
    }))
}
