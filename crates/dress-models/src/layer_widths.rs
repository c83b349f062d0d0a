//! How wide each layer is, where layers differ.

use crate::config_json::{ConfigJson, Unsupported};
use dress_core::{Axis, AxisKind, Error, Selection, StockTarget};
use serde::{Deserialize, Serialize};

/// Neurons and heads of every layer. A stock `config.json` has one number for all; where layers differ, these
/// lists stand beside it under `dress`, and the stock keys have the largest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerWidths {
    /// Neurons of the feed-forward network.
    ffn: Vec<usize>,
    /// Key/value heads, or heads in families whose heads share nothing.
    heads: Vec<usize>,
}

impl LayerWidths {
    /// The key of `config.json` that lists the widths. Stock software does not know it, and finds weights of
    /// other shapes than it expects.
    pub(crate) const KEY: &str = "dress";

    /// Those of layers with so many neurons and key/value heads.
    pub(crate) fn of(ffn: Vec<usize>, heads: Vec<usize>) -> Self {
        Self { ffn, heads }
    }

    /// What a `config.json` says of that many layers, whose stock keys say `ffn` neurons and `heads` heads.
    pub(crate) fn read(
        raw: &ConfigJson,
        layers: usize,
        ffn: usize,
        heads: usize,
    ) -> Result<Self, Unsupported> {
        let Some(value) = raw.get(Self::KEY) else {
            return Ok(Self { ffn: vec![ffn; layers], heads: vec![heads; layers] });
        };
        let lists: Self =
            serde_json::from_value(value.clone()).map_err(|error| (Self::KEY, error.to_string()))?;
        for (name, list, most) in [("ffn", &lists.ffn, ffn), ("heads", &lists.heads, heads)] {
            if list.len() != layers {
                let found = list.len();
                return Err((
                    Self::KEY,
                    format!("`{name}` has {found} numbers, and there are {layers} layers"),
                ));
            }
            if let Some(bad) = list.iter().find(|&&width| width == 0 || width > most) {
                return Err((
                    Self::KEY,
                    format!("`{name}` has a layer of {bad}, which is not from 1 to {most}"),
                ));
            }
        }
        Ok(lists)
    }

    /// `raw` with the lists where the layers differ, and without them where they do not.
    pub(crate) fn write(&self, raw: ConfigJson) -> ConfigJson {
        match self.first_that_differs() {
            Some(_) => {
                let lists = serde_json::to_value(self).expect("lists of numbers are JSON");
                raw.with(&[(Self::KEY, lists)])
            }
            None => raw.without(Self::KEY),
        }
    }

    /// Neurons of one layer.
    pub fn ffn(&self, layer: usize) -> usize {
        self.ffn[layer]
    }

    /// Key/value heads of one layer.
    pub fn heads(&self, layer: usize) -> usize {
        self.heads[layer]
    }

    /// The most neurons and the most key/value heads of any layer.
    pub fn largest(&self) -> (usize, usize) {
        let largest = |list: &[usize]| list.iter().copied().max().unwrap_or(0);
        (largest(&self.ffn), largest(&self.heads))
    }

    /// What slicing leaves.
    #[must_use]
    pub fn resized(&self, selection: &Selection) -> Self {
        let count = self.ffn.len();
        let gone = selection.get(Axis::Depth).map_or(&[][..], |depth| depth.removed());
        let layers = || (0..count).filter(|layer| !gone.contains(layer));
        let left = |axis, width| selection.get(axis).map_or(width, |chosen| chosen.kept_len());
        Self {
            ffn: layers().map(|layer| left(Axis::Ffn { layer }, self.ffn(layer))).collect(),
            heads: layers().map(|layer| left(Axis::Heads { layer }, self.heads(layer))).collect(),
        }
    }

    /// Whether layers differ.
    pub fn differ(&self) -> bool {
        self.first_that_differs().is_some()
    }

    /// The first layer that is of another width than layer 0.
    fn first_that_differs(&self) -> Option<(AxisKind, usize, [usize; 2])> {
        let kinds = [(AxisKind::Ffn, &self.ffn), (AxisKind::Heads, &self.heads)];
        kinds.into_iter().find_map(|(kind, list)| {
            let layer = list.iter().position(|width| *width != list[0])?;
            Some((kind, layer, [list[layer], list[0]]))
        })
    }

    /// Checks that `target` can load layers of these widths.
    ///
    /// # Errors
    /// [`Error::Shape`] where layers differ and the target is not [`StockTarget::Dress`].
    pub fn check_stock(&self, architecture: &str, target: StockTarget) -> Result<(), Error> {
        let Some((kind, layer, [width, first])) = self.first_that_differs() else { return Ok(()) };
        if target == StockTarget::Dress {
            return Ok(());
        }
        Err(Error::Shape {
            architecture: architecture.into(),
            reason: format!(
                "layer {layer} has {width} {kind} and layer 0 has {first}, and the config.json of stock software \
                 has one number for all; remove the same number in every layer, or give `stock = dress` for a \
                 checkpoint that these crates alone load"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::AxisSelection;
    use std::path::Path;

    fn raw(text: &str) -> ConfigJson {
        ConfigJson::read(text, Path::new("config.json"), |_: serde_json::Value, raw| Ok(raw)).unwrap()
    }

    fn read(text: &str) -> Result<LayerWidths, Unsupported> {
        LayerWidths::read(&raw(text), 3, 8, 2)
    }

    #[test]
    fn lists_are_written_where_layers_differ_and_read_back() {
        let uniform = read("{}").unwrap();
        assert_eq!(uniform.write(raw("{}")), raw("{}"));
        let layer = 1;
        let selection = Selection::new()
            .with(Axis::Ffn { layer }, AxisSelection::new(8, vec![0, 5]).unwrap())
            .with(Axis::Heads { layer }, AxisSelection::new(2, vec![0]).unwrap());
        let sliced = uniform.resized(&selection);
        assert_eq!((sliced.ffn(1), sliced.heads(1), sliced.largest()), (6, 1, (8, 2)));
        let text = sliced.write(raw("{}")).to_text("float32");
        assert_eq!(read(&text).unwrap(), sliced);
        let without =
            sliced.resized(&Selection::new().with(Axis::Depth, AxisSelection::new(3, vec![1]).unwrap()));
        assert_eq!(without.write(raw(r#"{"dress":{}}"#)), raw("{}"), "alike again");
    }

    #[test]
    fn stock_software_is_refused_layers_that_differ() {
        let lists = read(r#"{"dress":{"ffn":[8,8,6],"heads":[2,2,2]}}"#).unwrap();
        let message =
            lists.check_stock("LlamaForCausalLM", StockTarget::Transformers).unwrap_err().to_string();
        assert!(message.contains("layer 2 has 6 ffn and layer 0 has 8"), "{message}");
        assert!(message.contains("`stock = dress`"), "{message}");
        assert!(lists.check_stock("LlamaForCausalLM", StockTarget::Dress).is_ok());
    }

    #[test]
    fn lists_that_do_not_fit_are_errors() {
        for (bad, says) in [
            (r#"{"ffn":[8,8],"heads":[2,2,2]}"#, "2 numbers, and there are 3 layers"),
            (r#"{"ffn":[8,9,8],"heads":[2,2,2]}"#, "a layer of 9"),
            (r#"{"ffn":[8,8,8],"heads":[2,0,2]}"#, "a layer of 0"),
            (r#"{"ffn":[8,8,8]}"#, "heads"),
            ("7", "invalid type"),
        ] {
            let (key, reason) = read(&format!(r#"{{"dress":{bad}}}"#)).unwrap_err();
            assert!(key == "dress" && reason.contains(says), "{reason}");
        }
    }
}
