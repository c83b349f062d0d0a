//! What a format does with a model, in short.

use crate::{EngineFormat, ModelShape, Served, ServedWeight, Verdict};
use dress_core::parameters;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a format does with a model: whether it is loaded, in how many bytes, and which matrices are not what
/// they should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedReport {
    /// The engine and its format.
    pub by: EngineFormat,
    /// The versions that the rules were seen of.
    pub tried: String,
    /// Whether it is loaded.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Bytes of the weights; none where the engine refuses the model.
    pub bytes: Option<u64>,
    /// Matrices that a format of quantized weights leaves as they are.
    pub unquantized: Vec<LikeWeights>,
    /// Matrices that get a larger type because of their rows.
    pub larger: Vec<LikeWeights>,
    /// What else is known of the engine.
    pub notes: Vec<String>,
}

/// Matrices of one name in all layers that come to the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LikeWeights {
    /// Their name, with a star for the layer.
    pub name: String,
    /// The length of their rows.
    pub row: usize,
    /// The type that the format has for them.
    pub wanted: String,
    /// The type that they get.
    pub found: String,
    /// How many there are.
    pub matrices: usize,
}

impl ServedReport {
    /// What `format` does with a model.
    pub fn of(format: &EngineFormat, shape: &ModelShape) -> Self {
        let (verdict, served) = (format.verdict(shape), format.serve(shape));
        let is_refused = matches!(verdict, Verdict::Refused { .. });
        // Of a model that is refused there is nothing to say.
        let served = if is_refused { Served { weights: Vec::new(), ..served } } else { served };
        Self {
            by: format.clone(),
            tried: format.engine().tried.clone(),
            verdict,
            bytes: (!is_refused).then_some(served.bytes),
            unquantized: alike(served.unquantized()),
            larger: alike(served.larger()),
            notes: format.engine().notes.clone(),
        }
    }
}

/// The weights, those of all layers together.
fn alike<'a>(weights: impl Iterator<Item = &'a ServedWeight>) -> Vec<LikeWeights> {
    let mut counts: BTreeMap<LikeWeights, usize> = BTreeMap::new();
    for weight in weights {
        let like = LikeWeights {
            name: in_any_layer(&weight.name),
            row: weight.row,
            wanted: weight.wanted.clone(),
            found: weight.found.clone().unwrap_or_default(),
            matrices: 0,
        };
        *counts.entry(like).or_default() += 1;
    }
    counts.into_iter().map(|(like, matrices)| LikeWeights { matrices, ..like }).collect()
}

/// A parameter's name with a star for the number of its layer.
fn in_any_layer(name: &str) -> String {
    match parameters::layer_of(name) {
        Some(layer) => name.replacen(&format!(".{layer}."), ".*.", 1),
        None => name.into(),
    }
}
