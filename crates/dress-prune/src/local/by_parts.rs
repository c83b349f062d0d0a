//! Layers regularized one at a time of a model of which one layer at a time is in memory.

use super::alone::{Alone, ByParts};
use super::finished::Finished;
use super::streams::{StreamFiles, StreamPlace};
use super::{LayerReport, Local, LocalInputs, embedded, goes, passed, stream_key_of, weights_in};
use crate::{Error, LocalError, PruneConfig};
use dress_core::burn::tensor::DType;
use dress_core::{
    Axis, Calibration, CausalLm, Fingerprint, Part, Parts, Progress, Selection, SlicePlan, Unit,
};
use dress_train::{Error as TrainError, RunDirectory};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;

/// Layers of a model in files that are regularized one at a time, each kept in a directory when it is
/// finished. One layer at a time is in memory; the streams wait in files.
pub struct LocalByParts<'a, P> {
    parts: &'a P,
    local: Local<'a>,
    /// Where streams of the dense model are that were kept before.
    streams: Option<&'a Path>,
}

/// Layers that [`LocalByParts`] has finished, in one directory or in several.
pub struct FinishedLayers<'a, P> {
    parts: &'a P,
    plan: &'a SlicePlan,
    /// [`LocalByParts::key`].
    key: &'a Value,
}

/// A layer without what went of it.
pub struct RegularizedLayer<M> {
    /// A model of this one layer between ends that mean nothing.
    pub model: M,
    /// What happened on the way; nothing where nothing went of it.
    pub report: LayerReport,
}

impl<'a, P: Parts> LocalByParts<'a, P> {
    /// Layers of `parts`, whose weights are of type `dtype`, from which `plan` takes something as `config`
    /// says. `streams` is where [`keep_streams`] kept those of the dense model, if anywhere.
    ///
    /// # Errors
    /// [`LocalError::Axis`] and [`LocalError::Setting`]; those of
    /// [`RegularizeConfig::check`](crate::RegularizeConfig::check), [`Calibration::require`] and
    /// [`CausalLm::check_stock`].
    pub fn new(
        parts: &'a P,
        plan: &'a SlicePlan,
        calibration: &'a Calibration,
        config: &'a PruneConfig,
        dtype: DType,
        streams: Option<&'a Path>,
    ) -> Result<Self, Error> {
        let declared = parts.declared();
        calibration.require(declared, "regularization")?;
        config.check_local()?;
        plan.selection.check(&declared.coupling())?;
        declared.check_stock(&plan.selection, config.stock)?;
        let local = Local::of(config, plan, calibration, dtype)?;
        local.settings.check()?;
        if plan.selection.get(Axis::Residual).is_some() {
            let what = "the width, which the embedding and the head have too,".into();
            return Err(LocalError::NotByLayers { what }.into());
        }
        if streams.is_some() && local.inputs == LocalInputs::Pruned {
            return Err(LocalError::StreamsUnread.into());
        }
        Ok(Self { parts, local, streams })
    }

    /// All that the result of a layer depends on beside its number.
    pub fn key(&self) -> Value {
        self.local.key()
    }

    /// Regularizes `layers`, and keeps each in the run's directory as it finishes. What was begun there
    /// before is gone on with.
    ///
    /// # Errors
    /// [`LocalError::NoPlaceForLayers`] without a run directory, [`LocalError::PartOfASequence`] where
    /// `layers` read what layers become that are not among them, [`LocalError::StreamsOfAnother`],
    /// [`dress_train::Error::AnotherRun`], and those of training.
    pub fn run(&self, layers: Range<usize>, progress: &dyn Progress) -> Result<(), Error> {
        let directory = self.local.settings.train.run_dir.as_ref().ok_or(LocalError::NoPlaceForLayers)?;
        if self.local.inputs == LocalInputs::Pruned && layers.start > 0 {
            return Err(LocalError::PartOfASequence { first: layers.start }.into());
        }
        let place = StreamPlace::Files(StreamFiles {
            directory: RunDirectory::at(directory),
            shared: self.streams,
            key: self.local.stream_key(),
            replaces_damaged: self.local.settings.train.replace_other_run,
            device: self.parts.declared().device(),
        });
        self.local.walk(&ByParts(self.parts), &place, &layers, progress, &mut |_, _, _| Ok(()))?;
        place.forget(layers.end.saturating_sub(1));
        Ok(())
    }
}

impl<'a, P: Parts> FinishedLayers<'a, P> {
    /// Layers of `parts` of which `plan` takes something, made as `key` says.
    pub fn new(parts: &'a P, plan: &'a SlicePlan, key: &'a Value) -> Self {
        Self { parts, plan, key }
    }

    /// The layer `number` as it waits in `directory`, or the dense one where nothing goes of it; nothing
    /// where it is not finished there.
    ///
    /// # Errors
    /// [`dress_train::Error::AnotherRun`] where it was made by another plan, on other data or with other
    /// settings, [`LocalError::DamagedLayer`] where it is not what was written, and those of reading it.
    pub fn layer(
        &self,
        number: usize,
        directory: &RunDirectory,
    ) -> Result<Option<RegularizedLayer<P::Model>>, Error> {
        let alone = || -> Result<Alone<P::Model>, Error> {
            Alone::of(self.parts.part(Part::Layer(number))?, &self.plan.selection, number)
        };
        if !self.goes(number) {
            return Ok(Some(RegularizedLayer { model: alone()?.dense, report: LayerReport::default() }));
        }
        let of_layer = directory.layer(number);
        let Some(finished) = Finished::read(&of_layer, self.key, false).map_err(not_whole)? else {
            return Ok(None);
        };
        let model = weights_in(&of_layer, &alone()?).map_err(not_whole)?;
        Ok(Some(RegularizedLayer { model, report: finished.report }))
    }

    /// Whether something goes of a layer.
    pub fn goes(&self, number: usize) -> bool {
        goes(&self.plan.selection, number)
    }
}

/// What is said of a finished layer that cannot be read where nobody could train it again.
fn not_whole(error: Error) -> Error {
    match error {
        Error::Train(TrainError::Checkpoint { path, reason }) => {
            LocalError::DamagedLayer { path, reason }.into()
        }
        error => error,
    }
}

/// Keeps the streams before each of `layers` of the dense model that `parts` brings into memory, whose files
/// have `fingerprint` and whose weights are of type `dtype` in memory. Those that are there already stay.
///
/// # Errors
/// [`LocalError::StreamsOfAnother`] where others are there, and those of [`Calibration::require`], of
/// [`Parts::part`] and of writing files.
pub fn keep_streams<P: Parts>(
    parts: &P,
    fingerprint: &Fingerprint,
    calibration: &Calibration,
    dtype: DType,
    directory: &RunDirectory,
    layers: Range<usize>,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let declared = parts.declared();
    calibration.require(declared, "the stream")?;
    let key = stream_key_of(fingerprint, calibration, dtype);
    let files = StreamFiles {
        directory: directory.clone(),
        shared: None,
        key,
        replaces_damaged: false,
        device: declared.device(),
    };
    let (dense, place) = (ByParts(parts), StreamPlace::Files(files));
    let (mut missing, mut last) = (None, 0);
    for layer in 0..layers.end.min(declared.num_layers()) {
        last = layer;
        let is_there = place.at(layer)?.is_some();
        let path = directory.stream(layer);
        if !is_there && path.exists() {
            return Err(LocalError::StreamsOfAnother { path }.into());
        }
        if layers.contains(&layer) && !is_there && missing.is_none() {
            missing = Some(layer);
        }
    }
    let Some(missing) = missing else { return Ok(()) };
    let stage = progress.begin("streams", Unit::Layers, last as u64);
    let (start, mut streams, mut is_own) = match place.latest(missing)? {
        Some((start, found)) => (start, found, false),
        None => (0, embedded(&dense, calibration, &place)?, true),
    };
    stage.reuse(start as u64);
    for number in start..last {
        let model = parts.part(Part::Layer(number))?;
        let alone = Alone::of(model, &Selection::new(), number)?;
        // What was there before may have been kept for somebody.
        let keeps = layers.contains(&number) || !is_own;
        is_own = place.at(number + 1)?.is_none();
        streams = passed(&alone.dense, streams, number + 1, &place, keeps)?;
        stage.advance(1)?;
    }
    Ok(())
}
