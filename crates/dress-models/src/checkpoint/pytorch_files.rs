//! Checkpoints that `torch.save` wrote, through the reader behind Burn's store.

use super::load::is_redundant;
use super::weights::RawTensor;
use super::{FloatType, ShardIndex};
use crate::Error;
use pytorch_reader::{DType, PytorchReader, Tensor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SINGLE: &str = "pytorch_model.bin";
const INDEX: &str = "pytorch_model.bin.index.json";

/// One or several `.bin` or `.pt` files that together hold every tensor once.
pub struct PytorchFiles {
    directory: PathBuf,
    files: Vec<PathBuf>,
    tensors: BTreeMap<String, (usize, Tensor)>,
}

impl PytorchFiles {
    /// The index or the only weights file of a directory, if it has one in this format.
    pub(super) fn find(directory: &Path) -> Option<PathBuf> {
        let known = [INDEX, SINGLE].map(|name| directory.join(name));
        if let Some(found) = known.into_iter().find(|path| path.exists()) {
            return Some(found);
        }
        let is_weights = |path: &PathBuf| path.extension().is_some_and(|e| e == "pt" || e == "pth");
        let mut others = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let first = others.find(is_weights)?;
        others.find(is_weights).is_none().then_some(first)
    }

    /// Opens what [`PytorchFiles::find`] found.
    ///
    /// # Errors
    /// [`Error::Pytorch`], and with an index those of [`ShardIndex::read`] and
    /// [`Error::IndexDisagrees`].
    pub(super) fn open(directory: &Path, found: &Path) -> Result<Self, Error> {
        let index = found.ends_with(INDEX).then(|| ShardIndex::read(found)).transpose()?;
        let files: Vec<PathBuf> = match &index {
            Some(index) => index.files().into_iter().map(|file| directory.join(file)).collect(),
            None => vec![found.into()],
        };
        let opened: Vec<_> = files.iter().map(|file| tensors_of(file)).collect::<Result<_, Error>>()?;
        if let Some(index) = index {
            let held: Vec<Vec<String>> = opened.iter().map(|t| t.keys().cloned().collect()).collect();
            index.places(&held)?;
        }
        let placed = opened.into_iter().enumerate();
        let tensors =
            placed.flat_map(|(file, tensors)| tensors.into_iter().map(move |(name, t)| (name, (file, t))));
        Ok(Self { directory: directory.into(), tensors: tensors.collect(), files })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The float type that most of the bytes have, those of redundant tensors aside.
    pub fn float_type(&self) -> Option<FloatType> {
        let tensors = self.tensors.iter().filter(|(name, _)| !is_redundant(name));
        FloatType::of_most_bytes(
            tensors.map(|(_, (_, tensor))| (float_type(tensor.dtype()), tensor.byte_len() as u64)),
        )
    }

    /// The bytes of the largest file's tensors, where there are several files.
    pub fn shard_bytes(&self) -> Option<u64> {
        let mut bytes = vec![0; self.files.len()];
        self.tensors.values().for_each(|(file, tensor)| bytes[*file] += tensor.byte_len() as u64);
        bytes.into_iter().max().filter(|_| self.files.len() > 1)
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<RawTensor<'_>>, Error> {
        let Some((file, tensor)) = self.tensors.get(name) else { return Ok(None) };
        let file = self.files[*file].clone();
        let bytes = tensor.read().map_err(Error::io(&file, "is damaged, download it again"))?;
        Ok(Some(RawTensor {
            file,
            element: float_type(tensor.dtype()),
            element_name: format!("{:?}", tensor.dtype()),
            shape: tensor.shape().to_vec(),
            bytes: Cow::Owned(bytes),
        }))
    }
}

fn tensors_of(file: &Path) -> Result<BTreeMap<String, Tensor>, Error> {
    let unreadable = |source: pytorch_reader::PytorchError| Error::Pytorch {
        path: file.into(),
        reason: source.to_string(),
    };
    Ok(PytorchReader::new(file).map_err(unreadable)?.into_tensors().into_iter().collect())
}

fn float_type(dtype: DType) -> Option<FloatType> {
    match dtype {
        DType::F32 => Some(FloatType::F32),
        DType::F16 => Some(FloatType::F16),
        DType::BF16 => Some(FloatType::Bf16),
        _ => None,
    }
}
