//! Which type each weight of a model gets.

use crate::model_shape::Weight;
use crate::{ModelShape, NamePattern};
use serde::{Deserialize, Serialize};

/// A format of an engine: the type of most weights, and which have another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The type of matrices.
    pub weights: String,
    /// The type of vectors: gains and biases.
    pub vectors: String,
    /// Matrices of another type; the first that fits counts.
    #[serde(default)]
    pub except: Vec<Exception>,
    /// The type of the head that is written beside an embedding that is the head as well; without one nothing
    /// is.
    pub tied_head: Option<String>,
}

/// Matrices of another type than most. All that is said of them has to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Their names, one of which has to fit; any without them.
    #[serde(default)]
    pub names: Vec<NamePattern>,
    /// Whether they are an embedding that is the head as well.
    pub tied: Option<bool>,
    /// The layers that they are in.
    pub layers: Option<LayerRange>,
    /// How many query heads share a key/value head at least.
    pub query_heads_per_key_value_head: Option<usize>,
    /// The type that they get.
    #[serde(rename = "type")]
    pub weight_type: String,
}

/// Some of a model's layers, by shares of their number rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRange {
    /// Those below this share of all, as `[1, 8]` for an eighth.
    pub below: Option<[usize; 2]>,
    /// Those from this share on.
    pub from: Option<[usize; 2]>,
    /// The last of each so many layers, counted from where `below` ends.
    pub every: Option<usize>,
}

impl Format {
    /// The type that a weight is to get.
    pub(crate) fn wanted(&self, weight: &Weight, shape: &ModelShape) -> &str {
        if weight.dims.len() < 2 {
            return &self.vectors;
        }
        let exception = self.except.iter().find(|exception| exception.has(weight, shape));
        exception.map_or(&self.weights, |exception| &exception.weight_type)
    }

    /// Every type that it names.
    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        let exceptions = self.except.iter().map(|exception| &exception.weight_type);
        [&self.weights, &self.vectors]
            .into_iter()
            .chain(exceptions)
            .chain(&self.tied_head)
            .map(String::as_str)
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        let ranges = self.except.iter().filter_map(|exception| exception.layers);
        let shares = ranges.clone().flat_map(|range| [range.below, range.from]).flatten();
        if shares.into_iter().any(|[_, of]| of == 0) {
            return Some("a share of the layers is `[part, whole]`, and the whole is not 0".into());
        }
        let every = ranges.filter_map(|range| range.every);
        every.into_iter().any(|every| every == 0).then(|| "`every` is 0, and has to be at least 1".into())
    }
}

impl Exception {
    fn has(&self, weight: &Weight, shape: &ModelShape) -> bool {
        let named = self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(&weight.name));
        let layers = shape.num_layers();
        let within = |range: LayerRange| weight.layer.is_some_and(|layer| range.has(layer, layers));
        named
            && self.tied.is_none_or(|tied| tied == weight.tied)
            && self.layers.is_none_or(within)
            && self.query_heads_per_key_value_head.is_none_or(|least| shape.query_heads_a_group() >= least)
    }
}

impl LayerRange {
    fn has(&self, layer: usize, layers: usize) -> bool {
        let share = |[part, of]: [usize; 2]| part * layers / of;
        let first = self.below.map_or(0, share);
        layer < first
            || self.from.is_some_and(|from| layer >= share(from))
            || self.every.is_some_and(|every| (layer - first) % every == every - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_layers_are_rounded_down() {
        let range = LayerRange { below: Some([1, 8]), from: Some([7, 8]), every: Some(3) };
        let has = |layers| (0..layers).filter(|&layer| range.has(layer, layers)).collect::<Vec<_>>();
        assert_eq!(has(30), [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29]);
        assert_eq!(has(5), [2, 4]);
        let first = LayerRange { below: Some([1, 8]), from: None, every: None };
        assert_eq!((0..30).filter(|&layer| first.has(layer, 30)).count(), 3);
    }
}
