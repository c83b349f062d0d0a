//! From files to a model.

use super::{FloatType, SafetensorsDirectory};
use crate::Error;
use burn::tensor::{Device, Tensor, TensorData};
use dress_core::CausalLm;
use dress_core::parameters::{self, Layout, ParameterSource};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How a checkpoint is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadConfig {
    /// The type of the weights in memory, whatever the files hold.
    pub dtype: FloatType,
}

/// The text and the path of a directory's `config.json`.
///
/// # Errors
/// [`Error::ConfigMissing`] and [`Error::Io`].
pub fn read_config(directory: &Path) -> Result<(String, PathBuf), Error> {
    let path = directory.join("config.json");
    if !path.exists() {
        return Err(Error::ConfigMissing { path });
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "cannot be read"))?;
    Ok((text, path))
}

/// Fills a declared model with the weights of a directory. Every parameter is found exactly once
/// and no tensor is left over.
///
/// # Errors
/// Those of [`SafetensorsDirectory::open`], [`Error::Names`], [`Error::TensorShape`],
/// [`Error::TensorType`] and [`Error::NotFinite`].
pub fn load<M: CausalLm>(
    declared: M,
    directory: &Path,
    config: &LoadConfig,
    device: &Device,
) -> Result<M, Error> {
    let files = SafetensorsDirectory::open(directory)?;
    check_names(&declared, &files)?;
    parameters::fill(declared, &mut Source { files: &files, dtype: config.dtype, device })
}

fn check_names<M: CausalLm>(declared: &M, files: &SafetensorsDirectory) -> Result<(), Error> {
    let expected: BTreeSet<String> = parameters::list(declared).into_iter().map(|p| p.name).collect();
    let found: BTreeSet<&str> = files.names().collect();
    let missing: Vec<String> =
        expected.iter().filter(|name| !found.contains(name.as_str())).cloned().collect();
    let extra = found.into_iter().filter(|name| !expected.contains(*name) && !is_redundant(name));
    let unknown: Vec<String> = extra.map(String::from).collect();
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(Error::Names { path: files.path().into(), missing, unknown })
}

/// Tensors that older exports carry though they follow from the rest: rotary frequencies, and the
/// head of a model whose config ties it to the embedding.
fn is_redundant(name: &str) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || name == "lm_head.weight"
}

struct Source<'a> {
    files: &'a SafetensorsDirectory,
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
        let raw = self.files.get(name).ok_or_else(|| Error::Names {
            path: path(),
            missing: vec![name.into()],
            unknown: Vec::new(),
        })?;
        let (file, tensor) = (raw.file.to_path_buf(), name.to_string());
        let expected = layout.shape(&shape);
        if raw.shape != expected {
            return Err(Error::TensorShape { file, tensor, expected, found: raw.shape.to_vec() });
        }
        let Some(dtype) = FloatType::from_safetensors(raw.dtype) else {
            return Err(Error::TensorType { file, tensor, found: format!("{:?}", raw.dtype) });
        };
        let transposed = (layout == Layout::Transposed).then(|| expected[1]);
        let (bytes, bad) = dtype.convert(raw.bytes, self.dtype, transposed);
        if let Some(index) = bad {
            let value = dtype.read(&raw.bytes[index * dtype.size()..]);
            return Err(Error::NotFinite { file, tensor, index, value });
        }
        let data = TensorData::from_bytes(bytes, shape, self.dtype.dtype());
        Ok(Tensor::from_data(data, (self.device, self.dtype.dtype())))
    }
}
