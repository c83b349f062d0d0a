//! Slicing a model that is being trained, with what the optimizer knows of it.

use crate::Error;
use crate::optimizer_state_device::reading_to;
use crate::run_directory::OPTIMIZER;
use burn_pack::{Reader, Tensor as PackedTensor, Writer};
use dress_core::burn::module::ParamId;
use dress_core::burn::optim::ModuleOptimizer;
use dress_core::burn::tensor::{DType, Device, Int, Tensor, TensorData};
use dress_core::parameters::ParameterInfo;
use dress_core::{Calibration, CausalLm, Forward, NoTap, TensorEdit};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Takes what is selected out of a model. The slicing of `dress-prune` is one.
pub trait Slicer<M: CausalLm>: Sync {
    /// The smaller model.
    ///
    /// # Errors
    /// Where the family cannot be of that shape.
    fn slice(&self, model: M) -> Result<M, dress_core::Error>;

    /// What that does to each parameter that changes.
    ///
    /// # Errors
    /// Where the selection does not fit.
    fn edits(&self, model: &M) -> Result<BTreeMap<String, TensorEdit>, dress_core::Error>;
}

/// A slice in the middle of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The step after which it was, counted from 0.
    pub step: usize,
    /// How far it moved the logits, see [`logits_moved`], or what else the objective looks at.
    pub slicing_error: f64,
}

/// Positions whose logits are in memory at a time.
const POSITIONS: usize = 256;

/// `|after - before| / |before|` over the logits of one block of tokens.
pub fn logits_moved<M: CausalLm>(before: &M, after: &M, block: &[u32]) -> f64 {
    let stream = |model: &M| {
        let tokens = Calibration::tensor(&[block.to_vec()], &model.device());
        model.hidden(tokens, &mut Forward::new(&mut NoTap))
    };
    let squares = |t: Tensor<3>| -> f64 { f64::from((t.clone() * t).sum().into_scalar::<f32>()) };
    let (stream_before, stream_after) = (stream(before), stream(after));
    let (mut apart, mut size) = (0.0, 0.0);
    for start in (0..block.len()).step_by(POSITIONS) {
        let positions = POSITIONS.min(block.len() - start);
        let logits = |model: &M, stream: &Tensor<3>| {
            let stream = stream.clone().narrow(1, start, positions);
            model.head(stream, &mut Forward::new(&mut NoTap)).cast(DType::F32)
        };
        let reference = logits(before, &stream_before);
        apart += squares(logits(after, &stream_after) - reference.clone());
        size += squares(reference);
    }
    (apart / size).sqrt()
}

/// The state of `optimizer`, which has moved a model of `parameters`, for the model that `edits` make of it,
/// in `fresh`, an optimizer without state. What an optimizer keeps of a parameter in the parameter's own
/// shape, or summed over one of its dimensions, is cut like the parameter; that a norm's gains are rescaled
/// besides is left out of it. What it keeps of a parameter that goes with its layer is left out too. The
/// state is larger than the model: it waits in a file in `scratch`, which is removed, while the optimizer
/// goes.
pub(crate) fn sliced_state(
    optimizer: ModuleOptimizer,
    fresh: ModuleOptimizer,
    parameters: Vec<ParameterInfo>,
    edits: &BTreeMap<String, TensorEdit>,
    device: &Device,
    scratch: &Path,
) -> Result<ModuleOptimizer, Error> {
    let state = |cause: &dyn std::fmt::Display| Error::OptimizerState { reason: cause.to_string() };
    let io = |cause| Error::Io { path: scratch.into(), cause };
    fs::create_dir_all(scratch).map_err(io)?;
    let file = scratch.join(OPTIMIZER);
    let record = optimizer.to_record();
    drop(optimizer);
    record.save(&file).map_err(|e| Error::Save { path: file.clone(), reason: e.to_string() })?;
    let reader = Reader::from_file(&file).map_err(|e| state(&e))?;
    let (scalars, metadata) = (reader.scalars().clone(), reader.metadata().clone());
    let known: HashMap<ParamId, _> = parameters.into_iter().map(|p| (p.id, p)).collect();
    let edited = |id: u64| {
        let parameter = known.get(&ParamId::from(id))?;
        Some((parameter, edits.get(&parameter.name)?))
    };
    let cut = |tensor: PackedTensor| match tensor.param_id.and_then(edited) {
        Some((_, edit)) if edit.dropped => None,
        Some((parameter, edit)) => Some(what_stays(tensor, parameter, edit)),
        None => Some(tensor),
    };
    let tensors = reader.into_tensors().map_err(|e| state(&e))?.into_iter().filter_map(cut).collect();
    // Keys begin with the parameter's id.
    let id_of = |key: &str| key.split('.').next().and_then(|id| id.parse().ok());
    let stays = |key: &str| !id_of(key).and_then(edited).is_some_and(|(_, edit)| edit.dropped);
    let mut writer = Writer::new(tensors);
    for (key, value) in scalars.iter().filter(|(key, _)| stays(key)) {
        writer = writer.with_scalar(key, *value);
    }
    for (key, value) in metadata.iter().filter(|(key, _)| stays(key)) {
        writer = writer.with_metadata(key, value);
    }
    let bytes = writer.into_bytes().map_err(|e| state(&e))?;
    fs::remove_dir_all(scratch).map_err(io)?;
    reading_to(device, || fresh.from_bytes(bytes)).map_err(|e| state(&e))
}

/// What stays of `tensor` where `edit` cuts the parameter: the kept indices of every dimension that is as
/// long as the parameter's. Nothing is read before it is written.
fn what_stays(tensor: PackedTensor, parameter: &ParameterInfo, edit: &TensorEdit) -> PackedTensor {
    let mut shape = tensor.shape.to_vec();
    let mut takes = Vec::new();
    for (dim, kept) in &edit.takes {
        let at = parameter.layout.dim(*dim);
        if shape.get(at) == Some(&parameter.shape[*dim]) {
            shape[at] = kept.len();
            takes.push((at, kept.clone()));
        }
    }
    if takes.is_empty() {
        return tensor;
    }
    let bytes = shape.iter().product::<usize>() * tensor.dtype.size();
    let (name, dtype, id) = (tensor.name.clone(), tensor.dtype, tensor.param_id);
    PackedTensor::deferred(name, dtype, shape, id, bytes, move || {
        let data = TensorData::from_bytes(tensor.to_bytes()?, tensor.shape.clone(), tensor.dtype);
        Ok(take(data, &takes).into_parts().0)
    })
}

/// The indices of each dimension.
fn take(data: TensorData, takes: &[(usize, Arc<[usize]>)]) -> TensorData {
    fn of_rank<const D: usize>(data: TensorData, takes: &[(usize, Arc<[usize]>)]) -> TensorData {
        let device = Device::flex();
        let dtype = data.dtype();
        let value = Tensor::<D>::from_data(data, (&device, dtype));
        let taken = takes.iter().fold(value, |value, (dim, kept)| {
            let indices: Vec<i32> = kept.iter().map(|&i| i as i32).collect();
            let count = [indices.len()];
            value.select(*dim, Tensor::<1, Int>::from_data(TensorData::new(indices, count), &device))
        });
        taken.into_data()
    }
    match data.rank() {
        1 => of_rank::<1>(data, takes),
        2 => of_rank::<2>(data, takes),
        rank => unreachable!("a parameter that is cut is a vector or a matrix, and this is of rank {rank}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OptimizerConfig, Precision};
    use dress_core::burn::module::Module;
    use dress_core::burn::optim::GradientsParams;
    use dress_core::parameters;
    use dress_models::AnyModel;

    #[test]
    fn what_an_optimizer_keeps_of_a_layer_goes_with_it() {
        let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,
            "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2}"#;
        let device = Device::flex();
        let model = AnyModel::from_config(config, Path::new("config.json"), &device).unwrap().train();
        let fresh = || OptimizerConfig::default().init(&model, Precision::AsIs);
        let mut optimizer = fresh();
        let tokens = Calibration::tensor(&[vec![1, 2, 3]], &model.device());
        let loss = model.next_token_loss(tokens, &mut Forward::new(&mut NoTap));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        optimizer.step(1e-3, model.clone(), gradients);

        let all = parameters::list(&model);
        let gone = all.iter().filter(|p| parameters::layer_of(&p.name) == Some(0));
        let edit = TensorEdit { dropped: true, ..TensorEdit::default() };
        let edits: BTreeMap<_, _> = gone.map(|p| (p.name.clone(), edit.clone())).collect();
        let (before, stays) = (optimizer.to_record().len(), all.len() - edits.len());
        let place = tempfile::tempdir().unwrap();
        let scratch = place.path().join("slice");
        let left = sliced_state(optimizer, fresh(), all.clone(), &edits, &device, &scratch).unwrap();
        assert!(stays > 0 && !edits.is_empty());
        assert_eq!(left.to_record().len() * all.len(), before * stays);
    }
}
