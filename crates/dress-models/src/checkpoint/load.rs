//! From files to a model.

use super::own_head::with_its_head;
use super::tensor_names::match_names;
use super::{FloatType, RawTensor, Weights, git_lfs, is_gguf};
use crate::gguf::GgufCheckpoint;
use crate::{Error, Family};
use burn::tensor::{Device, Tensor, TensorData};
use dress_core::parameters::{self, Layout, NamedParameters, ParameterSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a checkpoint is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadConfig {
    /// The type of the weights in memory, whatever the files hold.
    pub dtype: FloatType,
}

/// The text and the path of a directory's `config.json` as a family takes it, or the one that a GGUF file's
/// metadata makes. Where the file ties the head to the embedding and the weights hold another head, the text
/// says that it is not tied.
///
/// # Errors
/// [`Error::ConfigMissing`], [`Error::AdapterAlone`], [`Error::AdapterBeside`], [`Error::LfsPointer`],
/// [`Error::ConfigUnsupported`], [`Error::Io`] and those of [`GgufCheckpoint::open`].
pub fn read_config_of<F: Family>(directory: &Path) -> Result<(String, PathBuf), Error> {
    if is_gguf(directory) {
        git_lfs::check(directory)?;
        return Ok((GgufCheckpoint::open(directory)?.config_json()?, directory.into()));
    }
    let (path, adapter) = (directory.join("config.json"), directory.join("adapter_config.json"));
    match (path.exists(), adapter.exists()) {
        (true, false) => {}
        (true, true) => return Err(Error::AdapterBeside { path: adapter }),
        (false, true) => return Err(Error::AdapterAlone { path: directory.into() }),
        (false, false) => return Err(Error::ConfigMissing { path }),
    }
    git_lfs::check(&path)?;
    let text = dress_core::files::read_to_string(&path).map_err(Error::io(&path, "cannot be read"))?;
    Ok((with_its_head::<F>(text, directory, &path)?, path))
}

/// The model that a directory's `config.json` or a GGUF file declares, without its weights.
///
/// # Errors
/// Those of [`read_config_of`] and [`Family::from_config`].
///
/// # Examples
/// ```
/// use dress_core::{burn::tensor::Device, parameters};
/// use dress_models::{AnyModel, checkpoint::declare};
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// let declared: AnyModel = declare(directory.as_ref(), &Device::flex())?;
/// assert!(parameters::count(&declared) > 100_000, "counted without reading a weight");
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn declare<F: Family>(directory: &Path, device: &Device) -> Result<F, Error> {
    let (text, path) = read_config_of::<F>(directory)?;
    F::from_config(&text, &path, device)
}

/// A model with the weights of a directory or a GGUF file.
///
/// # Errors
/// Those of [`declare`] and [`load`].
///
/// # Examples
/// ```
/// use dress_core::burn::tensor::Device;
/// use dress_models::checkpoint::{LoadConfig, load_model};
/// use dress_models::opt::OptForCausalLm;
///
/// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
/// let model: OptForCausalLm = load_model(directory.as_ref(), &LoadConfig::default(), &Device::flex())?;
/// assert_eq!(model.config().num_hidden_layers, model.model.decoder.layers.len());
/// # Ok::<(), dress_models::Error>(())
/// ```
pub fn load_model<F: Family>(directory: &Path, config: &LoadConfig, device: &Device) -> Result<F, Error> {
    load(declare::<F>(directory, device)?, directory, config, device)
}

/// Fills a declared model with the weights of a directory or a GGUF file. Every parameter is found; names may
/// lack their `model.`, as older exports' do, and tensors that the model does not have are named in a
/// warning.
///
/// # Errors
/// Those of [`Weights::open`], [`Error::Names`] and the more precise causes of missing names,
/// [`Error::TensorShape`], [`Error::TensorType`], [`Error::NotFinite`] and [`Error::OutOfRange`].
pub fn load<F: Family>(
    declared: F,
    directory: &Path,
    config: &LoadConfig,
    device: &Device,
) -> Result<F, Error> {
    let load = PartialLoad::open(&declared, directory, config, device)?;
    load.fill_from(declared, &|_| true, Weights::get)
}

/// An open checkpoint from which parameters are read as they are asked for.
pub struct PartialLoad {
    files: Weights,
    names: BTreeMap<String, String>,
    dtype: FloatType,
    device: Device,
}

impl PartialLoad {
    /// Opens the checkpoint that a model was declared from, and checks that it holds every parameter once.
    ///
    /// # Errors
    /// Those of [`load`], but of the numbers.
    pub fn open<F: Family>(
        declared: &F,
        directory: &Path,
        config: &LoadConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let files = Weights::open_for(declared, directory)?;
        let names = match_names(declared, &files)?;
        Ok(Self { files, names, dtype: config.dtype, device: device.clone() })
    }

    /// Gives the parameters whose name is `wanted` their values; the others stay as they were declared.
    ///
    /// # Errors
    /// Those of [`load`].
    pub fn fill<M: NamedParameters>(&self, declared: M, wanted: &dyn Fn(&str) -> bool) -> Result<M, Error> {
        self.fill_from(declared, wanted, Weights::read)
    }

    fn fill_from<M: NamedParameters>(
        &self,
        declared: M,
        wanted: &dyn Fn(&str) -> bool,
        get: Get,
    ) -> Result<M, Error> {
        let Self { files, names, dtype, device } = self;
        parameters::fill_where(declared, wanted, &mut Source { files, names, dtype: *dtype, device, get })
    }
}

/// How a tensor gets out of its file.
type Get = for<'a> fn(&'a Weights, &str) -> Result<Option<RawTensor<'a>>, Error>;

struct Source<'a> {
    get: Get,
    files: &'a Weights,
    names: &'a BTreeMap<String, String>,
    dtype: FloatType,
    device: &'a Device,
}

impl ParameterSource<Error> for Source<'_> {
    fn value<const D: usize>(
        &mut self,
        name: &str,
        layout: Layout,
        shape: [usize; D],
    ) -> Result<Tensor<D>, Error> {
        let path = || self.files.path().to_path_buf();
        let filed = self.names.get(name).map_or(name, String::as_str);
        let raw = (self.get)(self.files, filed)?.ok_or_else(|| Error::Names {
            path: path(),
            missing: vec![name.into()],
            unknown: Vec::new(),
        })?;
        let (file, tensor) = (raw.file.clone(), filed.to_string());
        let expected = layout.shape(&shape);
        if raw.shape != expected {
            return Err(Error::TensorShape { file, tensor, expected, found: raw.shape });
        }
        let Some(dtype) = raw.element else {
            return Err(Error::TensorType { file, tensor, found: raw.element_name });
        };
        let transposed = (layout == Layout::Transposed).then(|| expected[1]);
        let (bytes, bad) = dtype.convert(&raw.bytes, self.dtype, transposed);
        if let Some(index) = bad {
            let value = dtype.read(&raw.bytes[index * dtype.size()..]);
            return Err(match value.is_finite() {
                true => Error::OutOfRange { file, tensor, index, value, held: dtype, wanted: self.dtype },
                false => Error::NotFinite { file, tensor, index, value },
            });
        }
        drop(raw);
        self.files.release(filed);
        let data = TensorData::from_bytes(bytes, shape, self.dtype.dtype());
        Ok(Tensor::from_data(data, (self.device, self.dtype.dtype())))
    }
}
