//! LLaMA checkpoints as directories of the model type `nemotron-nas`, in which mlx-lm runs layers that differ.

use crate::checkpoint::{RewriteConfig, Weights, rewrite_as, save};
use crate::decoder::DecoderConfig;
use crate::name_lists::ten;
use crate::{AnyModel, Checkpoint, Error, FloatType, LayerWidths, LoadConfig, SaveConfig, SaveReport};
use dress_core::burn::tensor::Device;
use dress_core::{Progress, StockTarget};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Of what the neurons of every layer are a multiple: mlx-lm rounds up what it computes from `ffn_mult`.
const NEURONS: usize = 256;

/// Writes a LLaMA checkpoint as a directory that mlx-lm reads as `nemotron-nas`, beside its place and renamed when it is
/// complete. Tensors keep their names and types; `config.json` has a number of neurons for each layer (`block_configs`).
/// From safetensors a few rows of a tensor are in memory at a time, from other files the model is.
///
/// # Errors
/// [`Error::NotExported`] of another family and of sizes that mlx-lm cannot compute, with the nearest ones that it can;
/// those of [`rewrite`](crate::checkpoint::rewrite) and [`save`]. Nothing is left behind.
///
/// # Examples
/// ```
/// use dress_core::NoProgress;
/// use dress_models::{Checkpoint, export_mlx_nas};
///
/// // 192 channels, 6 heads of 32, 512 neurons.
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/llama3-kjv");
/// let place = tempfile::tempdir().expect("a place for temporary files");
/// let out = place.path().join("nas");
/// let saved = export_mlx_nas(&Checkpoint::open(directory)?, &out, false, &NoProgress)?;
/// let config = std::fs::read_to_string(out.join("config.json")).expect("it was written");
/// assert!(saved.shards == 1 && config.contains("nemotron-nas"));
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn export_mlx_nas(
    checkpoint: &Checkpoint,
    place: &Path,
    force: bool,
    progress: &dyn Progress,
) -> Result<SaveReport, Error> {
    let source = checkpoint.path();
    let refused = |reason| Error::NotExported { path: source.into(), reason };
    let model = match checkpoint.declared() {
        AnyModel::Decoder(model) if model.config().family.model_type() == "llama" => model,
        _ => return Err(refused("mlx-lm's nemotron-nas has the layers of LLaMA alone".into())),
    };
    if let Some(reason) = fault(model.config()) {
        return Err(refused(reason));
    }
    let weights = Weights::open(source)?;
    let dtype = weights.float_type().unwrap_or_default();
    // Written last, in the place of the file that these crates would read.
    let extra_files = vec![("config.json".to_string(), config_json(model.config(), dtype))];
    let target = StockTarget::Dress;
    if let Weights::Safetensors(_) = weights {
        let config = RewriteConfig { extra_files, model_card: None, target, force };
        let places = [source, place];
        return rewrite_as(model, model, &BTreeMap::new(), places, &config, ("export", progress));
    }
    let config = SaveConfig {
        dtype: Some(dtype),
        source: Some(source.into()),
        extra_files,
        target,
        force,
        ..SaveConfig::default()
    };
    save(&checkpoint.load(&LoadConfig::default(), &Device::flex())?, place, &config)
}

/// The text of the `config.json`.
fn config_json(config: &DecoderConfig, dtype: FloatType) -> String {
    let text = config.to_json(dtype.torch_name());
    let mut keys: Map<String, Value> = serde_json::from_str(&text).expect("a configuration writes JSON");
    for key in [LayerWidths::KEY, "intermediate_size", "num_key_value_heads", "auto_map"] {
        keys.remove(key);
    }
    let blocks: Vec<Value> = (0..config.num_hidden_layers).map(|layer| block(config, layer)).collect();
    let written = [
        ("model_type", json!("nemotron-nas")),
        ("architectures", json!(["DeciLMForCausalLM"])),
        ("vocab_size", json!(config.vocab_size)),
        ("num_attention_heads", json!(query_heads(config, 0))),
        ("max_position_embeddings", json!(config.max_position_embeddings)),
        ("hidden_act", json!("silu")),
        ("block_configs", json!(blocks)),
    ];
    keys.extend(written.map(|(key, value)| (key.to_string(), value)));
    serde_json::to_string_pretty(&Value::Object(keys)).expect("a map with string keys is JSON")
}

/// One layer: query heads that share a key/value head, and the neurons as mlx-lm computes them, `2 / 3 * ffn_mult *
/// hidden_size` rounded up to a multiple of 256.
fn block(config: &DecoderConfig, layer: usize) -> Value {
    let neurons = config.widths.ffn(layer) as f64;
    json!({
        "attention": {
            "no_op": false,
            "replace_with_linear": false,
            "n_heads_in_group": config.heads_per_group(),
        },
        "ffn": {
            "no_op": false,
            "replace_with_linear": false,
            "ffn_mult": 3.0 * neurons / (2.0 * config.hidden_size as f64),
        },
    })
}

fn query_heads(config: &DecoderConfig, layer: usize) -> usize {
    config.widths.heads(layer) * config.heads_per_group()
}

/// Why mlx-lm cannot compute the sizes of a model, if it cannot.
fn fault(config: &DecoderConfig) -> Option<String> {
    fault_of_heads(config).or_else(|| fault_of_width(config)).or_else(|| fault_of_neurons(config))
}

fn fault_of_heads(config: &DecoderConfig) -> Option<String> {
    let heads = |layer: &usize| query_heads(config, *layer);
    let other = (1..config.num_hidden_layers).find(|layer| heads(layer) != heads(&0))?;
    Some(format!(
        "layer {other} has {} query heads and layer 0 has {}, and mlx-lm's nemotron-nas has one number for all layers; \
         remove the same number of heads in every layer, or none",
        heads(&other),
        heads(&0)
    ))
}

fn fault_of_width(config: &DecoderConfig) -> Option<String> {
    let (width, heads, head_dim) = (config.hidden_size, query_heads(config, 0), config.head_dim);
    if width == heads * head_dim {
        return None;
    }
    let group = config.heads_per_group() * head_dim;
    let mut fits = vec![width / group * group, width.div_ceil(group) * group];
    fits.retain(|width| *width > 0);
    fits.dedup();
    let named = |width: &usize| format!("{width} channels with {} query heads", width / head_dim);
    let nearest: Vec<String> = fits.iter().map(named).collect();
    Some(format!(
        "hidden_size {width} is not {heads} query heads of {head_dim}, and mlx-lm's nemotron-nas takes a head's width from \
         the quotient; the nearest sizes that fit are {}",
        nearest.join(" and ")
    ))
}

fn fault_of_neurons(config: &DecoderConfig) -> Option<String> {
    let layer = |layer: usize| {
        let neurons = config.widths.ffn(layer);
        let below = neurons / NEURONS * NEURONS;
        let nearest = [below, below + NEURONS].into_iter().filter(|fit| *fit > 0);
        let nearest = nearest.map(|fit| fit.to_string()).collect::<Vec<_>>().join(" or ");
        (!neurons.is_multiple_of(NEURONS))
            .then(|| format!("layer {layer} has {neurons} (nearest: {nearest})"))
    };
    let layers: Vec<String> = (0..config.num_hidden_layers).filter_map(layer).collect();
    (!layers.is_empty()).then(|| {
        format!(
            "mlx-lm's nemotron-nas has neurons in multiples of {NEURONS} alone: {}; plan with `tile = {NEURONS}`",
            ten(&layers)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As mlx-lm 0.32.2 computes the neurons of a layer (`nemotron-nas.py`).
    fn neurons_in_mlx(multiple: f64, width: usize) -> usize {
        let rounded = (multiple * 1e6).round() / 1e6;
        ((2.0 * rounded * width as f64 / 3.0) as usize).next_multiple_of(256)
    }

    fn config(width: usize, ffn: &[usize], heads: &[usize]) -> DecoderConfig {
        let (most, groups) = (ffn.iter().max().unwrap(), heads.iter().max().unwrap());
        let text = json!({ "model_type": "llama", "vocab_size": 64, "hidden_size": width, "intermediate_size": most,
            "num_hidden_layers": ffn.len(), "num_attention_heads": 3 * groups, "num_key_value_heads": groups,
            "head_dim": 64, "dress": { "ffn": ffn, "heads": heads } });
        DecoderConfig::from_json(&text.to_string(), Path::new("config.json")).unwrap()
    }

    #[test]
    fn every_multiple_of_256_is_what_mlx_computes_from_its_multiple() {
        for width in [64, 576, 960, 2048, 4096, 5120, 8192, 16384] {
            for neurons in (1..=200).map(|blocks| blocks * NEURONS) {
                let multiple = 3.0 * neurons as f64 / (2.0 * width as f64);
                assert_eq!(neurons_in_mlx(multiple, width), neurons, "{width}");
            }
        }
    }

    #[test]
    fn sizes_that_mlx_cannot_compute_are_said_with_the_nearest() {
        assert_eq!(fault(&config(576, &[1536, 256], &[3, 3])), None);
        for (config, says) in [
            (config(576, &[1536, 1001], &[3, 3]), "layer 1 has 1001 (nearest: 768 or 1024)"),
            (config(576, &[100, 256], &[3, 3]), "layer 0 has 100 (nearest: 256)"),
            (config(576, &[256, 256], &[3, 2]), "layer 1 has 6 query heads and layer 0 has 9"),
            (
                config(432, &[256, 256], &[3, 3]),
                "384 channels with 6 query heads and 576 channels with 9 query heads",
            ),
            (config(576, &[256, 256], &[2, 2]), "fit are 576 channels with 9 query heads"),
            (config(100, &[256, 256], &[2, 2]), "fit are 192 channels with 3 query heads"),
        ] {
            let reason = fault(&config).unwrap();
            assert!(reason.contains(says), "{reason}");
        }
    }
}
