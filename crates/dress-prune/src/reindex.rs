//! Taking some indices of every slot of an axis, in some order.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use dress_core::burn;
use dress_core::parameters::{self, Layout, ParameterInfo, ParameterMapper};
use dress_core::{Axis, CausalLm, CouplingMap, Error, Normalization, Role, Selection, TensorEdit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Moves the selected structures of every axis to its end; the logits do not change (identity [E1]).
///
/// # Errors
/// Those of [`Selection::check`].
///
/// [E1]: dress_core::identities#e1
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::burn::tensor::{Int, Tensor};
/// use dress_core::{Axis, AxisSelection, CausalLm, Forward, NoTap, Selection};
/// use dress_prune::permute;
///
/// let selection = Selection::new().with(Axis::Residual, AxisSelection::new(16, vec![0, 5, 7])?);
/// let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
/// let logits = |model: &dress_models::AnyModel| model.forward(tokens.clone(), &mut Forward::new(&mut NoTap));
/// let moved = (logits(&model) - logits(&permute(model.clone(), &selection)?)).abs().max();
/// assert!(moved.into_scalar::<f32>() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn permute<M: CausalLm>(model: M, selection: &Selection) -> Result<M, Error> {
    let map = model.coupling();
    selection.check(&map)?;
    let mut reindex = Reindex::default();
    for (axis, chosen) in selection.iter().filter(|(axis, _)| *axis != Axis::Depth) {
        reindex.take(&map, axis, &chosen.permutation(), 1.0)?;
    }
    Ok(parameters::map(model, &mut reindex))
}

/// What slicing `selection` out of a checkpoint does to each parameter that changes, centring and the norms'
/// rescaling included: [`slice()`](crate::slice()) after [`centre`](crate::centre), for whoever has the
/// weights in files. The model need not have its weights.
///
/// # Errors
/// Those of [`Selection::check`].
pub fn edits<M: CausalLm>(model: &M, selection: &Selection) -> Result<BTreeMap<String, TensorEdit>, Error> {
    let map = model.coupling();
    let mut edits = Reindex::slicing(model, &map, selection)?.into_edits();
    if let Some(residual) = selection.get(Axis::Residual).and(map.axis(Axis::Residual).ok()) {
        let centred = residual.normalization == Some(Normalization::Layer);
        for slot in residual.slots.iter().filter(|slot| centred && slot.role == Role::Writes && !slot.tied) {
            edits.entry(slot.parameter.clone()).or_default().centre = Some(slot.dim);
        }
    }
    Ok(edits)
}

/// How many parameters slicing `selection` leaves. The model need not have its weights.
///
/// # Errors
/// Those of [`edits`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, Selection, parameters};
/// use dress_prune::parameters_left;
///
/// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, (0..6).collect())?);
/// // Three matrices have a row or a column of 16 numbers for each neuron.
/// assert_eq!(parameters_left(&model, &selection)?, parameters::count(&model) - 6 * 3 * 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parameters_left<M: CausalLm>(model: &M, selection: &Selection) -> Result<u64, Error> {
    let (edits, whole) = (edits(model, selection)?, TensorEdit::default());
    let left = |info: &ParameterInfo| edits.get(&info.name).unwrap_or(&whole).count(&info.shape);
    Ok(parameters::list(model).iter().map(left).sum())
}

/// Per parameter, which indices of which dimensions to take, a factor, and what becomes of it where layers
/// go.
#[derive(Default)]
pub(crate) struct Reindex(BTreeMap<String, TensorEdit>);

impl Reindex {
    /// What slicing does to a model that is centred where it has to be.
    pub fn slicing<M: CausalLm>(model: &M, map: &CouplingMap, selection: &Selection) -> Result<Self, Error> {
        selection.check(map)?;
        let mut reindex = Self::default();
        for (axis, chosen) in selection.iter() {
            let gain = (chosen.len() as f64 / chosen.kept_len() as f64).sqrt();
            reindex.take(map, axis, &chosen.kept(), gain)?;
        }
        for (parameter, factor) in model.slice_factors(selection) {
            reindex.0.entry(parameter).or_default().factor *= factor;
        }
        reindex.shift(map);
        if let Some(depth) = selection.get(Axis::Depth) {
            reindex.keep_layers(model, &depth.kept());
        }
        Ok(reindex)
    }

    /// What is filed as one less than what it multiplies by is so after it was multiplied, too.
    fn shift(&mut self, map: &CouplingMap) {
        for slot in map.iter().flat_map(|(_, axis)| &axis.slots).filter(|slot| slot.plus_one) {
            if let Some(edit) = self.0.get_mut(&slot.parameter) {
                edit.shift = edit.factor - 1.0;
            }
        }
    }

    /// Drops the parameters of all layers but `kept`, and counts these anew.
    fn keep_layers<M: CausalLm>(&mut self, model: &M, kept: &[usize]) {
        for name in parameters::list(model).into_iter().map(|parameter| parameter.name) {
            let Some(layer) = parameters::layer_of(&name) else { continue };
            let place = kept.binary_search(&layer);
            let renamed = place.ok().map(|place| parameters::in_layer(&name, place));
            let edit = self.0.entry(name).or_default();
            (edit.dropped, edit.renamed) = (renamed.is_none(), renamed);
        }
    }

    /// What it does to each parameter.
    pub fn into_edits(self) -> BTreeMap<String, TensorEdit> {
        self.0
    }

    /// Takes the structures `order` of `axis`, the gains of its norms multiplied by `gain`.
    fn take(&mut self, map: &CouplingMap, axis: Axis, order: &[usize], gain: f64) -> Result<(), Error> {
        let slots = map.axis(axis)?;
        let mut by_block: BTreeMap<usize, Arc<[usize]>> = BTreeMap::new();
        for slot in &slots.slots {
            let indices = by_block.entry(slot.block).or_insert_with(|| {
                order.iter().flat_map(|&i| i * slot.block..(i + 1) * slot.block).collect()
            });
            let edit = self.0.entry(slot.parameter.clone()).or_default();
            edit.takes.push((slot.dim, indices.clone()));
            if slots.normalization.is_some() && slot.role == Role::Scales {
                edit.factor *= gain;
            }
        }
        Ok(())
    }
}

impl ParameterMapper for Reindex {
    fn map<const D: usize>(&mut self, name: &str, layout: Layout, value: Tensor<D>) -> Tensor<D> {
        let Some(edit) = self.0.get(name) else { return value };
        let taken = edit.takes.iter().fold(value, |value, (dim, indices)| {
            let index = index(indices, &value.device());
            value.select(layout.dim(*dim), index)
        });
        multiplied(taken, edit.factor, edit.shift)
    }
}

/// `value` times `factor` and `shift`, rounded once.
fn multiplied<const D: usize>(value: Tensor<D>, factor: f64, shift: f64) -> Tensor<D> {
    if factor == 1.0 {
        return value;
    }
    let (dtype, wide) = (value.dtype(), value.cast(DType::F32) * factor);
    let shifted = if shift == 0.0 { wide } else { wide + shift };
    shifted.cast(dtype)
}

fn index(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
    let shape = [indices.len()];
    Tensor::from_data(TensorData::new(indices, shape), device)
}
