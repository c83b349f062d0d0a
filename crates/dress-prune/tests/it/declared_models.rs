//! Models that a configuration declares and whose weights are never made, and what recipes are for them.

use dress_core::burn::tensor::{DType, Device};
use dress_core::{AxisKind, CausalLm};
use dress_models::AnyModel;
use dress_prune::{Error, Recipe, ResolvedRecipe};
use serde_json::json;
use std::path::Path;

/// The model of a `config.json` with this text.
pub fn declared(config: &str) -> AnyModel {
    AnyModel::from_config(config, Path::new("config.json"), &Device::flex()).unwrap()
}

/// A LLaMA of `[width, neurons, layers, query heads, key/value heads, vocabulary]`.
pub fn llama(sizes: [usize; 6]) -> AnyModel {
    let [width, neurons, layers, heads, groups, vocabulary] = sizes;
    let config = json!({
        "model_type": "llama", "vocab_size": vocabulary, "hidden_size": width, "intermediate_size": neurons,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": groups,
        "tie_word_embeddings": true,
    });
    declared(&config.to_string())
}

pub fn smollm2() -> AnyModel {
    llama([576, 1536, 30, 9, 3, 49_152])
}

pub fn small_opt() -> AnyModel {
    let config = json!({
        "model_type": "opt", "vocab_size": 64, "hidden_size": 128, "ffn_dim": 256, "num_hidden_layers": 2,
        "num_attention_heads": 4,
    });
    declared(&config.to_string())
}

/// What is resolved and checked, with how many structures stay of the first axis of each kind.
pub fn resolved(model: &AnyModel, recipe: &Recipe) -> Result<(ResolvedRecipe, Vec<usize>), Error> {
    let resolved = recipe.resolve(model, DType::F32)?;
    resolved.check(model)?;
    let selection = resolved.known_selection(model)?.unwrap();
    let first = |kind: &AxisKind| model.coupling().of_kind(*kind).unwrap()[0];
    let kept = |kind| selection.get(first(kind)).map_or(0, |chosen| chosen.kept_len());
    let kept = recipe.axes.iter().map(kept).collect();
    Ok((resolved, kept))
}
