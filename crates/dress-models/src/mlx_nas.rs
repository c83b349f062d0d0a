//! LLaMA checkpoints as directories of the model type `nemotron-nas`, in which mlx-lm runs layers that
//! differ.

use crate::checkpoint::{RewriteConfig, Weights, rewrite_as, save};
use crate::name_lists::ten;
use crate::{AnyModel, Checkpoint, Error, FloatType, LayerWidths, LoadConfig, SaveConfig, SaveReport};
use dress_core::burn::tensor::Device;
use dress_core::{CausalLm, Progress, StockTarget};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Of what the neurons of every layer are a multiple: mlx-lm rounds up what it computes from `ffn_mult`.
const NEURONS: usize = 256;

/// Writes a LLaMA checkpoint as a directory that mlx-lm reads as `nemotron-nas`, beside its place and renamed
/// when it is complete. Tensors keep their names and types; `config.json` has a number of neurons for each
/// layer (`block_configs`). From safetensors a few rows of a tensor are in memory at a time, from other files
/// the model is.
///
/// # Errors
/// [`Error::NotExported`] of another family and of sizes that mlx-lm cannot compute, with the nearest ones
/// that it can; those of [`rewrite`](crate::checkpoint::rewrite) and [`save`]. Nothing is left behind.
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
    let (source, declared) = (checkpoint.path(), checkpoint.declared());
    let refused = |reason| Error::NotExported { path: source.into(), reason };
    if declared.architecture() != "LlamaForCausalLM" {
        return Err(refused("mlx-lm's nemotron-nas has the layers of LLaMA alone".into()));
    }
    let weights = Weights::open(source)?;
    let dtype = weights.float_type().unwrap_or_default();
    let text = config_json(declared, dtype).map_err(refused)?;
    // Written last, in the place of the file that these crates would read.
    let extra_files = vec![("config.json".to_string(), text)];
    let target = StockTarget::Dress;
    if let Weights::Safetensors(_) = weights {
        let config = RewriteConfig { extra_files, model_card: None, target, force };
        let places = [source, place];
        return rewrite_as(declared, declared, &BTreeMap::new(), places, &config, ("export", progress));
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

/// The text of the `config.json`, or why mlx-lm cannot compute the sizes of the model.
fn config_json(declared: &AnyModel, dtype: FloatType) -> Result<String, String> {
    let text = declared.config_json(dtype.torch_name());
    let mut keys: Map<String, Value> = serde_json::from_str(&text).expect("a configuration writes JSON");
    let sizes = Sizes::of(&keys);
    if let Some(reason) = sizes.fault() {
        return Err(reason);
    }
    for key in [LayerWidths::KEY, "intermediate_size", "num_key_value_heads", "rope_parameters", "auto_map"] {
        keys.remove(key);
    }
    if let Some(scaling) = keys.get_mut("rope_scaling").and_then(Value::as_object_mut) {
        spell_for_both(scaling);
    }
    let written = [
        ("model_type", json!("nemotron-nas")),
        ("architectures", json!(["DeciLMForCausalLM"])),
        ("num_attention_heads", json!(sizes.query_heads(0))),
        ("max_position_embeddings", json!(declared.max_positions())),
        ("hidden_act", json!("silu")),
        ("block_configs", json!(sizes.blocks())),
    ];
    keys.extend(written.map(|(key, value)| (key.to_string(), value)));
    Ok(serde_json::to_string_pretty(&Value::Object(keys)).expect("a map with string keys is JSON"))
}

/// mlx-lm takes the type of a scaling from `type` first. The tokenizer it leaves to transformers, which takes
/// `rope_type` and fails at `llama3` in the configuration of a model type that it does not know (5.24).
fn spell_for_both(scaling: &mut Map<String, Value>) {
    let kind = scaling.insert("rope_type".into(), json!("default"));
    scaling.extend(kind.map(|kind| ("type".to_string(), kind)));
}

/// The sizes of a LLaMA.
struct Sizes {
    width: usize,
    head_dim: usize,
    /// Query heads that share a key/value head.
    group: usize,
    /// Neurons of every layer.
    neurons: Vec<usize>,
    /// Key/value heads of every layer.
    kv_heads: Vec<usize>,
}

impl Sizes {
    /// Those of the keys that a LLaMA writes into its `config.json`.
    fn of(keys: &Map<String, Value>) -> Self {
        let size = |value: &Value| value.as_u64().unwrap_or(0) as usize;
        let key = |name: &str| keys.get(name).map_or(0, size);
        let of_layers = |name: &str, all: usize| match keys
            .get(LayerWidths::KEY)
            .and_then(|lists| lists[name].as_array())
        {
            Some(list) => list.iter().map(size).collect(),
            None => vec![all; key("num_hidden_layers")],
        };
        let kv_heads = key("num_key_value_heads");
        Self {
            width: key("hidden_size"),
            head_dim: key("head_dim"),
            group: key("num_attention_heads") / kv_heads.max(1),
            neurons: of_layers("ffn", key("intermediate_size")),
            kv_heads: of_layers("heads", kv_heads),
        }
    }

    fn query_heads(&self, layer: usize) -> usize {
        self.kv_heads[layer] * self.group
    }

    /// Every layer: query heads that share a key/value head, and the neurons as mlx-lm computes them, `2 /
    /// 3 * ffn_mult * hidden_size` rounded up to a multiple of 256.
    fn blocks(&self) -> Vec<Value> {
        let block = |neurons: &usize| {
            json!({
                "attention": {
                    "no_op": false,
                    "replace_with_linear": false,
                    "n_heads_in_group": self.group,
                },
                "ffn": {
                    "no_op": false,
                    "replace_with_linear": false,
                    "ffn_mult": 3.0 * *neurons as f64 / (2.0 * self.width as f64),
                },
            })
        };
        self.neurons.iter().map(block).collect()
    }

    /// Why mlx-lm cannot compute them, if it cannot.
    fn fault(&self) -> Option<String> {
        self.fault_of_heads().or_else(|| self.fault_of_width()).or_else(|| self.fault_of_neurons())
    }

    fn fault_of_heads(&self) -> Option<String> {
        let first = self.query_heads(0);
        let other = (1..self.kv_heads.len()).find(|layer| self.query_heads(*layer) != first)?;
        Some(format!(
            "layer {other} has {} query heads and layer 0 has {first}, and mlx-lm's nemotron-nas has one number for all \
             layers; remove the same number of heads in every layer, or none",
            self.query_heads(other)
        ))
    }

    fn fault_of_width(&self) -> Option<String> {
        let (width, heads, head_dim) = (self.width, self.query_heads(0), self.head_dim);
        if width == heads * head_dim {
            return None;
        }
        let group = self.group * head_dim;
        let mut fits = vec![width / group * group, width.div_ceil(group) * group];
        fits.retain(|width| *width > 0);
        fits.dedup();
        let named = |width: &usize| format!("{width} channels with {} query heads", width / head_dim);
        let nearest: Vec<String> = fits.iter().map(named).collect();
        Some(format!(
            "hidden_size {width} is not {heads} query heads of {head_dim}, and mlx-lm's nemotron-nas takes a head's width \
             from the quotient; the nearest sizes that fit are {}",
            nearest.join(" and ")
        ))
    }

    fn fault_of_neurons(&self) -> Option<String> {
        let said = |(layer, neurons): (usize, &usize)| {
            let below = neurons / NEURONS * NEURONS;
            let nearest = [below, below + NEURONS].into_iter().filter(|fit| *fit > 0);
            let nearest = nearest.map(|fit| fit.to_string()).collect::<Vec<_>>().join(" or ");
            (!neurons.is_multiple_of(NEURONS))
                .then(|| format!("layer {layer} has {neurons} (nearest: {nearest})"))
        };
        let layers: Vec<String> = self.neurons.iter().enumerate().filter_map(said).collect();
        (!layers.is_empty()).then(|| {
            format!(
                "mlx-lm's nemotron-nas has neurons in multiples of {NEURONS} alone: {}; plan with `tile = {NEURONS}`",
                ten(&layers)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As mlx-lm 0.32.2 computes the neurons of a layer (`nemotron-nas.py`).
    fn neurons_in_mlx(multiple: f64, width: usize) -> usize {
        let rounded = (multiple * 1e6).round() / 1e6;
        ((2.0 * rounded * width as f64 / 3.0) as usize).next_multiple_of(256)
    }

    /// The heads are 64 wide, and three share a key/value head.
    fn fault(width: usize, ffn: &[usize], heads: &[usize]) -> Option<String> {
        let groups = heads.iter().max().unwrap();
        let keys = json!({ "hidden_size": width, "num_attention_heads": 3 * groups, "num_key_value_heads": groups,
            "head_dim": 64, "dress": { "ffn": ffn, "heads": heads } });
        Sizes::of(keys.as_object().unwrap()).fault()
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
        assert_eq!(fault(576, &[1536, 256], &[3, 3]), None);
        for (width, ffn, heads, says) in [
            (576, [1536, 1001], [3, 3], "layer 1 has 1001 (nearest: 768 or 1024)"),
            (576, [100, 256], [3, 3], "layer 0 has 100 (nearest: 256)"),
            (576, [256, 256], [3, 2], "layer 1 has 6 query heads and layer 0 has 9"),
            (432, [256, 256], [3, 3], "384 channels with 6 query heads and 576 channels with 9 query heads"),
            (576, [256, 256], [2, 2], "fit are 576 channels with 9 query heads"),
            (100, [256, 256], [2, 2], "fit are 192 channels with 3 query heads"),
        ] {
            let reason = fault(width, &ffn, &heads).unwrap();
            assert!(reason.contains(says), "{reason}");
        }
    }
}
