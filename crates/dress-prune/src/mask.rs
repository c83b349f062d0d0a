//! Zeroing structures where they are.

use dress_core::burn::tensor::{DType, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{CausalLm, Error, Role, Selection, Slot, layer_writers};
use std::collections::HashMap;

/// Zeroes the selected structures in every parameter that writes, scales or shifts them, biases included; a
/// layer that goes writes nothing any more. Gains that are filed as one less than what they multiply by
/// become -1. The shapes stay: this is the model that slicing has to equal. Under layer norms the stream has
/// to have mean zero besides, see [`recentre`](crate::recentre).
///
/// # Errors
/// Those of [`Selection::check`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, Selection, parameters};
/// use dress_prune::{mask, slice};
///
/// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, vec![0, 5, 7])?);
/// let masked = mask(model.clone(), &selection)?;
/// assert_eq!(parameters::count(&masked), parameters::count(&model));
/// // Slicing takes three rows or columns out of each of three matrices.
/// assert_eq!(parameters::count(&slice(model, &selection)?), parameters::count(&masked) - 3 * 3 * 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn mask<M: CausalLm>(model: M, selection: &Selection) -> Result<M, Error> {
    let map = model.coupling();
    selection.check(&map)?;
    let mut mask = Mask::default();
    for slot in selection.removed_layers().iter().flat_map(|&layer| layer_writers(&model, &map, layer)) {
        mask.add(slot, vec![0.0]);
    }
    for (axis, chosen) in selection.iter() {
        for slot in map.axis(axis)?.slots.iter().filter(|slot| slot.role != Role::Reads) {
            let mut keep = vec![1.0f32; chosen.len() * slot.block];
            chosen.removed().iter().for_each(|&i| keep[i * slot.block..(i + 1) * slot.block].fill(0.0));
            mask.add(slot, keep);
        }
    }
    Ok(parameters::map(model, &mut mask))
}

#[derive(Default)]
struct Mask(HashMap<String, Vec<Kept>>);

/// What stays of a parameter along one dimension.
struct Kept {
    dim: usize,
    /// One for an index that stays and zero for one that goes; a single number is for all of them.
    keep: Vec<f32>,
    /// What the parameter's numbers lack of what they multiply by.
    offset: f64,
}

impl Mask {
    fn add(&mut self, slot: &Slot, keep: Vec<f32>) {
        let kept = Kept { dim: slot.dim, keep, offset: slot.offset() };
        self.0.entry(slot.parameter.clone()).or_default().push(kept);
    }
}

impl ParameterMapper for Mask {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, mut value: Tensor<D>) -> Tensor<D> {
        for Kept { dim, keep, offset } in self.0.get(name).into_iter().flatten() {
            let mut shape = [1; D];
            shape[layout.dim(*dim)] = keep.len();
            let data = TensorData::new(keep.clone(), shape);
            let keep: Tensor<D> = Tensor::from_data(data, (&value.device(), DType::F32));
            let keep = keep.cast(value.dtype());
            value = value * keep.clone();
            if *offset != 0.0 {
                value = value + (keep - 1.0) * *offset;
            }
        }
        value
    }
}
