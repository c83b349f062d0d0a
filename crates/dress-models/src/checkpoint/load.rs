//! From files to a model.

use super::{FloatType, RawTensor, Weights, is_gguf};
use crate::Error;
use crate::gguf::GgufCheckpoint;
use burn::tensor::{Device, Tensor, TensorData};
use dress_core::CausalLm;
use dress_core::parameters::{self, Layout, ParameterSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How a checkpoint is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadConfig {
    /// The type of the weights in memory, whatever the files hold.
    pub dtype: FloatType,
}

/// The text and the path of a directory's `config.json`, or the one that a GGUF file's metadata makes.
///
/// # Errors
/// [`Error::ConfigMissing`], [`Error::Io`] and those of [`GgufCheckpoint::open`].
pub fn read_config(directory: &Path) -> Result<(String, PathBuf), Error> {
    if is_gguf(directory) {
        return Ok((GgufCheckpoint::open(directory)?.config_json()?, directory.into()));
    }
    let path = directory.join("config.json");
    if !path.exists() {
        return Err(Error::ConfigMissing { path });
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "cannot be read"))?;
    Ok((text, path))
}

/// Fills a declared model with the weights of a directory or a GGUF file. Every parameter is found
/// exactly once and no tensor is left over; names may lack their `model.`, as older exports' do.
///
/// # Errors
/// Those of [`Weights::open`], [`Error::Names`], [`Error::TensorShape`], [`Error::TensorType`] and
/// [`Error::NotFinite`].
pub fn load<M: CausalLm>(
    declared: M,
    directory: &Path,
    config: &LoadConfig,
    device: &Device,
) -> Result<M, Error> {
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
    pub fn open<M: CausalLm>(
        declared: &M,
        directory: &Path,
        config: &LoadConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let files = Weights::open(directory)?;
        let names = match_names(declared, &files)?;
        Ok(Self { files, names, dtype: config.dtype, device: device.clone() })
    }

    /// Gives the parameters whose name is `wanted` their values; the others stay as they were declared.
    ///
    /// # Errors
    /// Those of [`load`].
    pub fn fill<M: CausalLm>(&self, declared: M, wanted: &dyn Fn(&str) -> bool) -> Result<M, Error> {
        self.fill_from(declared, wanted, Weights::read)
    }

    fn fill_from<M: CausalLm>(
        &self,
        declared: M,
        wanted: &dyn Fn(&str) -> bool,
        get: Get,
    ) -> Result<M, Error> {
        let Self { files, names, dtype, device } = self;
        parameters::fill_where(declared, wanted, &mut Source { files, names, dtype: *dtype, device, get })
    }
}

/// By parameter, the name that the files have for it.
pub(super) fn match_names<M: CausalLm>(
    declared: &M,
    files: &Weights,
) -> Result<BTreeMap<String, String>, Error> {
    let expected: BTreeSet<String> = parameters::list(declared).into_iter().map(|p| p.name).collect();
    let (mut names, mut unknown) = (BTreeMap::new(), Vec::new());
    for found in files.names() {
        let full = format!("model.{found}");
        let name = [found, &full].into_iter().find(|name| expected.contains(*name));
        match name {
            Some(name) if !names.contains_key(name) => {
                names.insert(name.to_string(), found.to_string());
            }
            _ if is_redundant(found) => {}
            _ => unknown.push(found.to_string()),
        }
    }
    let missing: Vec<String> =
        expected.iter().filter(|name| !names.contains_key(name.as_str())).cloned().collect();
    if missing.is_empty() && unknown.is_empty() {
        return Ok(names);
    }
    Err(Error::Names { path: files.path().into(), missing, unknown })
}

/// Tensors that older exports carry though they follow from the rest: rotary frequencies, and the
/// head of a model whose config ties it to the embedding.
pub(super) fn is_redundant(name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".self_attn.bias") || name == "lm_head.weight"
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
            return Err(Error::NotFinite { file, tensor, index, value });
        }
        drop(raw);
        self.files.release(filed);
        let data = TensorData::from_bytes(bytes, shape, self.dtype.dtype());
        Ok(Tensor::from_data(data, (self.device, self.dtype.dtype())))
    }
}
