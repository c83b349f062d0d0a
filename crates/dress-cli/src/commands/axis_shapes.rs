//! What `dress inspect` says of the axes.

use crate::Error;
use dress_core::{
    Axis, AxisKind, AxisSelection, CausalLm, CouplingMap, Normalization, Selection, Slot, StockTarget,
    only_adds, parameters,
};
use serde::Serialize;
use std::collections::HashMap;

/// The axes of one kind.
#[derive(Serialize)]
pub(super) struct AxisShape {
    pub kind: AxisKind,
    pub axes: usize,
    /// Of the longest, where they differ.
    pub structures: usize,
    /// Of each, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structures_of_each: Option<Vec<usize>>,
    /// For every loader.
    pub kept_multiple_of: usize,
    /// For stock `transformers` alone.
    pub kept_multiple_of_in_transformers: usize,
    pub parameters_a_structure: u64,
    /// Whether slicing what is at zero changes nothing.
    pub exact: bool,
}

impl AxisShape {
    /// Those of every kind that `model` has.
    pub fn all<M: CausalLm>(model: &M) -> Result<Vec<Self>, Error> {
        let map = model.coupling();
        let sizes: HashMap<String, Vec<usize>> =
            parameters::list(model).into_iter().map(|p| (p.name, p.shape)).collect();
        let of_kind = |kind| Self::of_kind(model, &map, kind, &sizes);
        map.kinds().into_iter().map(of_kind).collect()
    }

    fn of_kind<M: CausalLm>(
        model: &M,
        map: &CouplingMap,
        kind: AxisKind,
        sizes: &HashMap<String, Vec<usize>>,
    ) -> Result<Self, Error> {
        let axes = map.of_kind(kind)?;
        let lengths = axes.iter().map(|&axis| Ok(map.axis(axis)?.len)).collect::<Result<Vec<_>, Error>>()?;
        let structures = lengths.iter().copied().max().unwrap_or(0);
        let slots = map.axis(axes[0])?;
        let owned = |slot: &Slot| {
            let shape = &sizes[&slot.parameter];
            (shape.iter().product::<usize>() / shape[slot.dim] * slot.block) as u64
        };
        let parameters_a_structure = match kind {
            AxisKind::Depth => largest_layer(sizes),
            _ => slots.slots.iter().map(owned).sum(),
        };
        Ok(Self {
            kind,
            axes: axes.len(),
            structures,
            structures_of_each: lengths.iter().any(|len| *len != structures).then_some(lengths),
            kept_multiple_of: slots.multiple_of.of(StockTarget::All),
            kept_multiple_of_in_transformers: slots.multiple_of.of(StockTarget::Transformers),
            parameters_a_structure,
            exact: is_exact(model, map, &axes),
        })
    }
}

/// The parameters of the largest layer.
fn largest_layer(sizes: &HashMap<String, Vec<usize>>) -> u64 {
    let mut layers: HashMap<usize, u64> = HashMap::new();
    for (name, shape) in sizes {
        if let Some(layer) = parameters::layer_of(name) {
            *layers.entry(layer).or_default() += shape.iter().product::<usize>() as u64;
        }
    }
    layers.into_values().max().unwrap_or(0)
}

/// Whether slicing what is at zero of `axes` changes nothing (identity E5).
fn is_exact<M: CausalLm>(model: &M, map: &CouplingMap, axes: &[Axis]) -> bool {
    axes.iter().all(|&axis| match axis {
        Axis::Depth => (0..model.num_layers()).all(|layer| only_adds(model, map, layer)),
        _ => map.axis(axis).is_ok_and(|slots| slots.normalization != Some(Normalization::PostLayer)),
    })
}

/// The targets for which the width of `model` cannot go without its heads.
pub(super) fn width_with_heads<M: CausalLm>(model: &M) -> Result<Vec<StockTarget>, Error> {
    let map = model.coupling();
    let Ok(residual) = map.axis(Axis::Residual) else { return Ok(Vec::new()) };
    let mut targets = Vec::new();
    for target in [StockTarget::All, StockTarget::Transformers] {
        let step = residual.multiple_of.of(target);
        if step >= residual.len {
            continue;
        }
        let narrower = AxisSelection::new(residual.len, (residual.len - step..residual.len).collect())?;
        let narrower = Selection::new().with(Axis::Residual, narrower);
        let takes = |selection: &Selection| model.check_stock(selection, target).is_ok();
        if takes(&Selection::new()) && !takes(&narrower) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// The same for people: a line of its own, or nothing.
pub(super) fn width_with_heads_text(targets: &[StockTarget]) -> &'static str {
    let together = |target| targets.contains(&target);
    match (together(StockTarget::All), together(StockTarget::Transformers)) {
        (false, false) => "",
        (true, false) => {
            "\n`--target all` takes `residual` and `heads` of this model together alone: remove the same share of both.\n\
             `--target transformers` takes each by itself."
        }
        (_, true) => {
            "\nStock software takes `residual` and `heads` of this model together alone: remove the same share of both."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dress_core::burn::tensor::Device;
    use dress_models::AnyModel;
    use std::path::Path;

    /// Four heads of 4, two of them with keys of their own where a family has such, on a stream of 16.
    fn model(model_type: &str, more: &str) -> AnyModel {
        let config = format!(
            r#"{{"model_type":"{model_type}","vocab_size":9,"hidden_size":16,"intermediate_size":8,"ffn_dim":8,
                "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":4{more}}}"#
        );
        AnyModel::from_config(&config, Path::new("config.json"), &Device::flex()).unwrap()
    }

    fn residual(model: &AnyModel) -> [usize; 2] {
        let shapes = AxisShape::all(model).unwrap();
        let residual = shapes.iter().find(|shape| shape.kind == AxisKind::Residual).unwrap();
        [residual.kept_multiple_of, residual.kept_multiple_of_in_transformers]
    }

    #[test]
    fn steps_and_whether_the_width_goes_with_the_heads_are_the_loaders() {
        let both = vec![StockTarget::All, StockTarget::Transformers];
        for (model_type, steps, together) in [
            ("llama", [4, 4], vec![]),
            ("mistral", [1, 1], vec![]),
            ("gemma2", [4, 4], vec![]),
            ("qwen2", [4, 1], vec![StockTarget::All]),
            ("phi3", [4, 1], vec![StockTarget::All]),
            ("granite", [4, 1], vec![StockTarget::All]),
            ("olmo2", [4, 1], vec![StockTarget::All]),
            ("phi", [4, 1], vec![StockTarget::All]),
            ("gpt_neox", [4, 4], both.clone()),
            ("opt", [4, 4], both),
        ] {
            let model = model(model_type, r#","rotary_pct":1.0"#);
            assert_eq!(residual(&model), steps, "{model_type}");
            assert_eq!(width_with_heads(&model).unwrap(), together, "{model_type}");
        }
        assert!(width_with_heads_text(&[]).is_empty());
        let [all, every] = [&[StockTarget::All][..], &[StockTarget::All, StockTarget::Transformers]];
        assert!(width_with_heads_text(all).contains("`--target transformers` takes each"));
        assert!(width_with_heads_text(every).contains("Stock software takes"));
    }

    #[test]
    fn norms_on_the_stream_make_width_and_layers_inexact_and_nothing_else() {
        let exact = |model: &AnyModel| -> Vec<bool> {
            AxisShape::all(model).unwrap().iter().map(|shape| shape.exact).collect()
        };
        for model_type in ["llama", "olmo2", "gemma3_text", "phi", "opt"] {
            assert_eq!(exact(&model(model_type, "")), [true; 4], "{model_type}");
        }
        let behind = model("opt", r#","do_layer_norm_before":false"#);
        let kinds: Vec<AxisKind> = AxisShape::all(&behind).unwrap().iter().map(|shape| shape.kind).collect();
        assert_eq!(kinds, [AxisKind::Residual, AxisKind::Ffn, AxisKind::Heads, AxisKind::Depth]);
        assert_eq!(exact(&behind), [false, true, true, false]);
    }
}
