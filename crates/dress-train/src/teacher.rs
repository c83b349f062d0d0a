//! The dense model's outputs, computed as they are needed or once.

use crate::teacher_cache::TeacherCache;
use crate::{Batch, Error};
use dress_core::burn::tensor::{DType, Int, Tensor};
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Calibration, CausalLm, Fingerprint, Forward, NoTap, Part, Progress, Site, Tap, Unit};
use std::path::Path;

/// The model that a student learns from. It is not trained.
#[derive(Debug)]
pub struct Teacher<M> {
    model: M,
    fingerprint: Fingerprint,
    /// Its layers that the student keeps, in order.
    layers: Vec<usize>,
    /// How many channels of the stream the student is to keep; they have to come first.
    width: usize,
    /// What slicing multiplies the student's stream by.
    stream_factor: f64,
    cache: Option<TeacherCache>,
    /// The type it computes in.
    dtype: DType,
}

/// What a teacher says of one batch.
pub(crate) struct Taught {
    /// Of every position but the last. `[batch, seq - 1, vocab_size]`
    pub logits: Tensor<3>,
    /// The stream after each layer that the student keeps, its first channels. `[batch, seq, width]`
    pub streams: Vec<Tensor<3>>,
    /// The numbers of those layers.
    pub layers: Vec<usize>,
    /// What slicing multiplies the student's stream by.
    pub stream_factor: f64,
}

impl<M: CausalLm> Teacher<M> {
    /// A teacher whose layers `layers` the student keeps, and the first `width` channels of whose stream. The
    /// student may have all of the teacher's layers until it is sliced.
    pub fn new(model: M, layers: Vec<usize>, width: usize) -> Self {
        let dtype = parameters::list(&model).first().map_or(DType::F32, |parameter| parameter.dtype);
        let fingerprint = Fingerprint::of(&model);
        Self { model: model.valid(), fingerprint, layers, width, stream_factor: 1.0, cache: None, dtype }
    }

    /// The same for a student whose stream is multiplied by `factor` when it is sliced (OPT's is, see
    /// [`CausalLm::stream_factor`]): from then on so is the stream that it is compared with.
    #[must_use]
    pub fn with_stream_factor(mut self, factor: f64) -> Self {
        self.stream_factor = factor;
        self
    }

    /// What tells it from another.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The same teacher with its outputs for all of `data` computed once, to a file at `path` that is read a
    /// block at a time. What the file holds is the stream behind the last layer, from which the head alone
    /// makes the logits, and with `streams` that behind every layer: `4 seq d` bytes each. The weights of the
    /// layers are then let go.
    ///
    /// A file that is there already, of this teacher and this data, is used as it is. One that is not what
    /// was written is computed again with `replace`.
    ///
    /// # Errors
    /// [`Error::TeacherCache`] of a damaged file that is not to be replaced, [`Error::TeacherCacheInUse`],
    /// [`Error::Io`], and [`dress_core::Error::Cancelled`].
    pub fn cached(
        mut self,
        data: &Calibration,
        streams: bool,
        path: &Path,
        replace: bool,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let kept = if streams { self.layers.len() } else { 0 };
        let key = TeacherCache::key(&self.fingerprint, data, &self.layers[..kept], self.width);
        let there = match TeacherCache::open(path, &key) {
            Err(Error::TeacherCache { .. }) if replace => None,
            there => there?,
        };
        let cache = match there {
            Some(cache) => cache,
            None => {
                let mut writer = TeacherCache::create(path, &key)?;
                let stage = progress.begin("teacher", Unit::Blocks, data.blocks.len() as u64);
                for block in &data.blocks {
                    let tokens = Calibration::tensor(std::slice::from_ref(block), &self.model.device());
                    let (last, streams) = self.streams(tokens, streams);
                    writer.push(last, streams)?;
                    stage.advance(1)?;
                }
                writer.finish()?
            }
        };
        self.cache = Some(cache);
        self.model = without_layers(self.model);
        Ok(self)
    }

    pub(crate) fn outputs(&self, batch: &Batch<'_>) -> Result<Taught, Error> {
        let (last, streams) = match &self.cache {
            Some(cache) => cache.read(batch.indices, &self.model.device())?,
            None => self.streams(batch.tokens.clone().without_autodiff(), !self.layers.is_empty()),
        };
        let seq = last.dims()[1];
        let last = last.cast(self.dtype);
        let logits = self.model.head(last.narrow(1, 0, seq - 1), &mut Forward::new(&mut NoTap));
        Ok(Taught { logits, streams, layers: self.layers.clone(), stream_factor: self.stream_factor })
    }

    /// The stream behind the last layer, and the kept channels of that behind every layer the student keeps.
    fn streams(&self, tokens: Tensor<2, Int>, wanted: bool) -> (Tensor<3>, Vec<Tensor<3>>) {
        let mut no_tap = NoTap;
        let mut capture = Capture::new(&mut no_tap, wanted);
        let last = self.model.hidden(tokens, &mut Forward::new(&mut capture));
        let all = capture.streams;
        let shown = self.layers.iter().filter_map(|&layer| all.get(layer).cloned());
        (last, shown.map(|stream| stream.narrow(2, 0, self.width)).collect())
    }
}

/// Keeps the stream behind every layer, as the tap in front of it leaves it.
pub(crate) struct Capture<'a> {
    tap: &'a mut dyn Tap,
    wanted: bool,
    pub streams: Vec<Tensor<3>>,
}

impl<'a> Capture<'a> {
    pub fn new(tap: &'a mut dyn Tap, wanted: bool) -> Self {
        Self { tap, wanted, streams: Vec::new() }
    }
}

impl Tap for Capture<'_> {
    fn pass(&mut self, site: Site, value: Tensor<3>) -> Tensor<3> {
        let value = self.tap.pass(site, value);
        if self.wanted && matches!(site, Site::Residual { .. }) {
            self.streams.push(value.clone());
        }
        value
    }

    fn after_layer(&mut self, layer: usize, before: &Tensor<3>, after: &Tensor<3>) {
        self.tap.after_layer(layer, before, after);
    }
}

/// `model` with nothing but what its head needs.
fn without_layers<M: CausalLm>(model: M) -> M {
    struct HeadOnly(Vec<String>);
    impl ParameterMapper for HeadOnly {
        fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
            if self.0.iter().any(|kept| kept == name) {
                value
            } else {
                Tensor::zeros([1; D], &value.device())
            }
        }
    }
    let names = parameters::list(&model).into_iter().map(|p| p.name);
    let kept = names.filter(|name| model.is_in_part(name, Part::Head)).collect();
    parameters::map(model, &mut HeadOnly(kept))
}
