//! Regularization of one layer at a time.
//!
//! Each layer is trained alone so that it adds to the residual stream what the dense layer adds to the same
//! stream. No gradient goes from one layer to another, and of the model one layer is in memory at a time
//! where it comes from files.

mod alone;
mod by_parts;
mod error;
mod finished;
mod in_memory;
mod inputs;
mod layer_distance;
mod layer_key;
mod layer_report;
mod streams;

pub use by_parts::{FinishedLayers, LocalByParts, RegularizedLayer, keep_streams};
pub use error::LocalError;
pub use inputs::LocalInputs;
pub use layer_key::layer_differences;
pub use layer_report::LayerReport;

pub(crate) use alone::{Alone, DenseLayers, goes};
pub(crate) use in_memory::prune_locally;
pub(crate) use streams::{StreamPlace, Streams};

use crate::regularize::{Regularized, regularize_towards};
use crate::{Compensation, Error, GradualRefit, PruneConfig, RegularizeConfig, permute, slice};
use dress_core::burn::tensor::{DType, Tensor};
use dress_core::{Axis, Calibration, CausalLm, Fingerprint, Forward, NoTap, Part, Progress, SlicePlan};
use dress_train::{Error as TrainError, RunDirectory, load_weights, save_weights};
use finished::Finished;
use layer_distance::{KeptChannels, LayerDistance};
use serde_json::{Value, json};
use std::ops::Range;

/// A regularization of one layer after the other.
pub(crate) struct Local<'a> {
    pub settings: &'a RegularizeConfig,
    pub inputs: LocalInputs,
    pub compensation: Compensation,
    pub calibration: &'a Calibration,
    pub plan: &'a SlicePlan,
    /// The type of the weights.
    pub dtype: DType,
}

/// Takes a layer that is finished, by its number and without what went of it.
pub(crate) type Take<'a, M> = &'a mut dyn FnMut(usize, M, LayerReport) -> Result<(), Error>;

impl<'a> Local<'a> {
    /// What `config` says of layers from which `plan` takes something, of weights of type `dtype`.
    ///
    /// # Errors
    /// [`LocalError::NotLocal`] where it says nothing of it, [`LocalError::Axis`] where layers go as wholes,
    /// and [`LocalError::Width`].
    pub fn of(
        config: &'a PruneConfig,
        plan: &'a SlicePlan,
        calibration: &'a Calibration,
        dtype: DType,
    ) -> Result<Self, Error> {
        let settings = config.regularize.as_ref().ok_or(LocalError::NotLocal)?;
        let inputs = settings.local.ok_or(LocalError::NotLocal)?;
        if plan.selection.get(Axis::Depth).is_some() {
            return Err(LocalError::Axis { axis: Axis::Depth.to_string() }.into());
        }
        if plan.selection.get(Axis::Residual).is_some() && inputs == LocalInputs::Pruned {
            return Err(LocalError::Width.into());
        }
        Ok(Self { settings, inputs, compensation: config.compensation, calibration, plan, dtype })
    }

    /// Regularizes those of `layers` of which something goes and slices it out, each to be taken by `then`.
    /// The streams before each layer wait in `place`. Layers whose result waits in the run's directory, and
    /// that nobody has to pass, are not taken.
    ///
    /// # Errors
    /// Those of training, of reading layers and of the streams' files.
    pub fn walk<M: CausalLm>(
        &self,
        dense: &dyn DenseLayers<M>,
        place: &StreamPlace<'_>,
        layers: &Range<usize>,
        progress: &dyn Progress,
        then: Take<'_, M>,
    ) -> Result<(), Error> {
        let first = if place.is_memory() { 0 } else { self.first_open(layers)? };
        if first >= layers.end {
            return Ok(());
        }
        let (start, mut streams) = match place.latest(first)? {
            Some(found) => found,
            None => (0, embedded(dense, self.calibration, place)?),
        };
        for number in start..layers.end {
            let alone = Alone::of(dense.with_part(Part::Layer(number))?, &self.plan.selection, number)?;
            let after = match layers.contains(&number) && !alone.selection.is_empty() {
                true => Some(self.layer(&alone, &streams, progress)?),
                false => None,
            };
            if number + 1 < layers.end {
                let goes_on = match (&after, self.inputs) {
                    (Some((after, _)), LocalInputs::Pruned) => after,
                    _ => &alone.dense,
                };
                streams = passed(goes_on, streams, number + 1, place, false)?;
            }
            drop(alone);
            if let Some((after, report)) = after {
                let last = report.curve.last().map_or(f64::NAN, |point| point.loss);
                tracing::info!("layer {number} of {}: {last:.4} of what it adds is off", dense.count());
                then(number, after, report)?;
            }
        }
        Ok(())
    }

    /// The first of `layers` that has to be trained, or their end.
    fn first_open(&self, layers: &Range<usize>) -> Result<usize, Error> {
        let key = self.key();
        // Weights without a hash are seen to be whole where they are loaded.
        let is_whole = |finished: Finished| finished.has_hash() || !self.settings.train.replace_other_run;
        for number in layers.clone() {
            if goes(&self.plan.selection, number) && !self.finished(number, &key)?.is_some_and(is_whole) {
                return Ok(number);
            }
        }
        Ok(layers.end)
    }

    fn finished(&self, number: usize, key: &Value) -> Result<Option<Finished>, Error> {
        match self.directory(number) {
            Some(directory) => Finished::read(&directory, key, self.settings.train.replace_other_run),
            None => Ok(None),
        }
    }

    /// Where one layer is kept.
    fn directory(&self, number: usize) -> Option<RunDirectory> {
        let all = self.settings.train.run_dir.as_deref()?;
        Some(RunDirectory::at(all).layer(number))
    }

    /// One layer without what went of it; as it was kept, where it was finished before an interruption. Where
    /// what is damaged is made again, weights that cannot be loaded are.
    fn layer<M: CausalLm>(
        &self,
        alone: &Alone<M>,
        streams: &Streams,
        progress: &dyn Progress,
    ) -> Result<(M, LayerReport), Error> {
        let (directory, key) = (self.directory(alone.number), self.key());
        if let Some((finished, directory)) = self.finished(alone.number, &key)?.zip(directory.as_ref()) {
            match weights_in(directory, alone) {
                Err(Error::Train(TrainError::Checkpoint { path, reason }))
                    if self.settings.train.replace_other_run =>
                {
                    tracing::warn!("{}: {reason}; layer {} is made again", path.display(), alone.number);
                }
                weights => return Ok((weights?, finished.report)),
            }
        }
        let (after, report) = self.trained(alone, streams, (directory.as_ref(), &key), progress)?;
        if let Some(directory) = &directory {
            save_weights(&after, &directory.finished_weights())?;
            let finished = Finished::new(directory, key, report)?;
            finished.write(directory)?;
            directory.discard_checkpoints();
            return Ok((after, finished.report));
        }
        Ok((after, report))
    }

    fn trained<M: CausalLm>(
        &self,
        alone: &Alone<M>,
        streams: &Streams,
        (directory, key): (Option<&RunDirectory>, &Value),
        progress: &dyn Progress,
    ) -> Result<(M, LayerReport), Error> {
        let mut settings = self.settings.clone();
        settings.train.run_dir = directory.map(|directory| directory.path().into());
        let (start, selection) =
            (permute(alone.dense.clone(), &alone.selection)?, alone.selection.permuted());
        let refits = self.compensation == Compensation::Ridge && settings.has_a_path();
        let (slots, weights) = (settings.slots, settings.weights);
        let refit = refits.then(|| GradualRefit::of_layer(&start, &selection, slots, weights, streams));
        let (refit, compensation) = refit.transpose()?.unzip();
        let channels = KeptChannels::of(&alone.dense, &alone.selection);
        let objective = LayerDistance { dense: &alone.dense, inputs: streams, channels };
        let what = Regularized {
            dense: None,
            plan: self.plan,
            selection: &selection,
            refit: refit.as_ref(),
            taught_by: None,
            layer_key: Some(key),
        };
        let trained = regularize_towards(start, &what, self.calibration, &settings, &objective, progress)?;
        let compensation = compensation.unwrap_or_default();
        let report = LayerReport { curve: trained.curve, compensation };
        if trained.cut.is_some() || self.compensation != Compensation::Ridge {
            let whole = trained.cut.is_none();
            let model = if whole { slice(trained.model, &selection)? } else { trained.model };
            return Ok((model, report));
        }
        let (model, compensation) = crate::compensate::of_layer(trained.model, 0, &selection, streams)?;
        Ok((slice(model, &selection)?, LayerReport { compensation, ..report }))
    }

    /// All that the result of a layer depends on beside its number.
    pub fn key(&self) -> Value {
        let mut plan = self.plan.clone();
        // The same text under another name is the same: its hashes tell it from others.
        plan.calibration.iter_mut().for_each(|text| text.path.clear());
        json!({
            "settings": self.settings,
            "inputs": self.inputs,
            "compensation": self.compensation,
            "plan": plan,
            "data": self.calibration.sha256(),
            "dtype": format!("{:?}", self.dtype),
        })
    }

    /// All that the streams before a layer depend on beside its number.
    pub fn stream_key(&self) -> String {
        match self.inputs {
            LocalInputs::Dense => stream_key_of(&self.plan.fingerprint, self.calibration, self.dtype),
            LocalInputs::Pruned => self.key().to_string(),
        }
    }
}

/// The layer that waits in `directory`, of which something went.
fn weights_in<M: CausalLm>(directory: &RunDirectory, alone: &Alone<M>) -> Result<M, Error> {
    let shape = slice(alone.dense.clone(), &alone.selection)?;
    Ok(load_weights(shape, &directory.finished_weights())?)
}

/// All that the streams of a dense model depend on beside the layer.
fn stream_key_of(fingerprint: &Fingerprint, calibration: &Calibration, dtype: DType) -> String {
    json!({ "model": fingerprint, "data": calibration.sha256(), "dtype": format!("{dtype:?}") }).to_string()
}

/// The streams before the first layer.
fn embedded<M: CausalLm>(
    dense: &dyn DenseLayers<M>,
    calibration: &Calibration,
    place: &StreamPlace<'_>,
) -> Result<Streams, Error> {
    let model = dense.with_part(Part::Embedding)?;
    let stream = |block: &Vec<u32>| -> Result<Tensor<3>, TrainError> {
        let tokens = Calibration::tensor(std::slice::from_ref(block), &model.device());
        Ok(model.embed(tokens, &mut Forward::new(&mut NoTap)))
    };
    place.keep(0, calibration.blocks.len(), &mut calibration.blocks.iter().map(stream))
}

/// The streams behind the only layer of `model`, which are those before layer `next`; as they are kept, where
/// they are. Those before it go unless it `keeps` them.
fn passed<M: CausalLm>(
    model: &M,
    streams: Streams,
    next: usize,
    place: &StreamPlace<'_>,
    keeps: bool,
) -> Result<Streams, Error> {
    if let Some(kept) = place.at(next)? {
        return Ok(kept);
    }
    let count = streams.len();
    let layer = |stream: Tensor<3>| model.layer(0, stream, &mut Forward::new(&mut NoTap));
    let after = place.keep(next, count, &mut streams.through(layer))?;
    if !keeps {
        place.forget(next - 1);
    }
    Ok(after)
}
