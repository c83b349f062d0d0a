//! Checkpoints that `torch.save` wrote, through the reader behind Burn's store.

use super::fused_tensors::{TensorPart, misshapen, parts_of};
use super::git_lfs;
use super::raw_tensor::{RawTensor, have_same_numbers};
use super::redundant_tensors::is_redundant;
use super::weight_sets::PYTORCH_INDEX;
use super::{FloatType, ShardIndex};
use crate::Error;
use pytorch_reader::{DType, PickleValue, PytorchReader, Tensor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One or several `.bin` or `.pt` files that together hold every tensor once.
pub struct PytorchFiles {
    directory: PathBuf,
    files: Vec<PathBuf>,
    tensors: BTreeMap<String, (usize, Tensor)>,
    /// Tensors that are rows of others in the files.
    parts: BTreeMap<String, TensorPart>,
    index: Option<ShardIndex>,
}

impl PytorchFiles {
    /// Opens a weights file, or every file that an index names.
    ///
    /// # Errors
    /// [`Error::Pytorch`], [`Error::LfsPointer`], and with an index those of [`ShardIndex::read`] and
    /// [`Error::IndexDisagrees`].
    pub(super) fn open(directory: &Path, found: &Path) -> Result<Self, Error> {
        let index = found.ends_with(PYTORCH_INDEX).then(|| ShardIndex::read(found)).transpose()?;
        let files: Vec<PathBuf> = match &index {
            Some(index) => index.files().into_iter().map(|file| directory.join(file)).collect(),
            None => vec![found.into()],
        };
        let opened: Vec<_> = files.iter().map(|file| tensors_of(file)).collect::<Result<_, Error>>()?;
        let held: Vec<Vec<String>> = opened.iter().map(|t| t.keys().cloned().collect()).collect();
        let places = match &index {
            Some(index) => index.places(&held, |name, pair| are_same(&files, &opened, name, pair))?,
            None => held.into_iter().flatten().map(|name| (name, 0)).collect(),
        };
        let placed = opened.into_iter().enumerate();
        let tensors = placed
            .flat_map(|(file, tensors)| tensors.into_iter().map(move |(name, t)| (name, (file, t))))
            .filter(|(name, (file, _))| places.get(name) == Some(file));
        Ok(Self {
            directory: directory.into(),
            tensors: tensors.collect(),
            parts: BTreeMap::new(),
            files,
            index,
        })
    }

    /// The index, where there is one.
    pub(super) fn index(&self) -> Option<&ShardIndex> {
        self.index.as_ref()
    }

    /// Whether a tensor is filed as floats, where there is one of that name.
    pub(super) fn is_float(&self, name: &str) -> Option<bool> {
        self.tensors.get(name).map(|(_, tensor)| float_type(tensor.dtype()).is_some())
    }

    /// Whether a key of the first file holds a dictionary of its own.
    pub(super) fn is_nested(&self, key: &str) -> bool {
        let Some(file) = self.files.first() else { return false };
        let held = PytorchReader::read_pickle_data(file, None);
        matches!(held, Ok(PickleValue::Dict(held)) if matches!(held.get(key), Some(PickleValue::Dict(_))))
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
        let whole = raw(&self.files[*file], tensor)?;
        Ok(Some(match self.parts.get(name) {
            Some(part) => whole.part(part),
            None => whole,
        }))
    }

    /// Gives the rows of a tensor names of their own, by which they are read from then on.
    ///
    /// # Errors
    /// [`Error::TensorShape`] where it does not have so many rows.
    pub(super) fn take_apart(&mut self, name: &str, rows: &[(String, usize)]) -> Result<(), Error> {
        let Some((file, tensor)) = self.tensors.remove(name) else { return Ok(()) };
        let shape = tensor.shape().to_vec();
        let Some(parts) = parts_of(name, &shape, rows) else {
            return Err(misshapen(&self.files[file], name, &shape, rows));
        };
        self.tensors.extend(parts.iter().map(|(part, _)| (part.clone(), (file, tensor.clone()))));
        self.parts.extend(parts);
        Ok(())
    }
}

fn raw<'a>(file: &Path, tensor: &Tensor) -> Result<RawTensor<'a>, Error> {
    let bytes = tensor.read().map_err(Error::io(file, "is damaged, download it again"))?;
    Ok(RawTensor {
        file: file.into(),
        element: float_type(tensor.dtype()),
        element_name: format!("{:?}", tensor.dtype()),
        shape: tensor.shape().to_vec(),
        bytes: Cow::Owned(bytes),
    })
}

/// Whether two files hold the same tensor under one name.
fn are_same(
    files: &[PathBuf],
    opened: &[BTreeMap<String, Tensor>],
    name: &str,
    pair: [usize; 2],
) -> Result<bool, Error> {
    let held = pair.map(|file| opened[file].get(name).map(|tensor| raw(&files[file], tensor)));
    let [Some(first), Some(second)] = held else { return Ok(false) };
    Ok(have_same_numbers(&first?, &second?))
}

fn tensors_of(file: &Path) -> Result<BTreeMap<String, Tensor>, Error> {
    let unreadable =
        |cause: pytorch_reader::PytorchError| Error::Pytorch { path: file.into(), reason: cause.to_string() };
    git_lfs::check(file)?;
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
