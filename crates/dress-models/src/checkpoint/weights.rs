//! The weights of a checkpoint, in whichever format they lie.

use super::pytorch_files::PytorchFiles;
use super::raw_tensor::RawTensor;
use super::said_once::warn_once;
use super::weight_sets::WeightSet;
use super::{FloatType, SafetensorsDirectory, ShardIndex, git_lfs};
use crate::Error;
use crate::gguf::GgufCheckpoint;
use std::path::Path;

/// Every tensor of a checkpoint by its Hugging Face name.
pub enum Weights {
    /// A directory with safetensors files.
    Safetensors(SafetensorsDirectory),
    /// A directory with what `torch.save` wrote.
    Pytorch(PytorchFiles),
    /// A GGUF file.
    Gguf(Box<GgufCheckpoint>),
}

impl Weights {
    /// Opens a Hugging Face directory or a GGUF file. In a directory one file goes before an index of
    /// several, and safetensors before PyTorch's files; where there is more than one set of weights, a
    /// warning says which is read.
    ///
    /// # Errors
    /// [`Error::WeightsMissing`], and those of each format's own `open`.
    ///
    /// # Examples
    /// ```
    /// use dress_models::checkpoint::Weights;
    ///
    /// let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models/opt-kjv");
    /// let weights = Weights::open(directory.as_ref())?;
    /// assert!(weights.names().contains(&"model.decoder.embed_tokens.weight"));
    /// # Ok::<(), dress_models::Error>(())
    /// ```
    pub fn open(path: &Path) -> Result<Self, Error> {
        if is_gguf(path) {
            git_lfs::check(path)?;
            return Ok(Self::Gguf(Box::new(GgufCheckpoint::open(path)?)));
        }
        let set = WeightSet::find(path)?;
        set.warning().into_iter().for_each(warn_once);
        match set.is_pytorch() {
            true => Ok(Self::Pytorch(PytorchFiles::open(path, &set.read)?)),
            false => Ok(Self::Safetensors(SafetensorsDirectory::open_found(path, &set.read)?)),
        }
    }

    /// The index of several files, where there is one.
    pub(super) fn index(&self) -> Option<&ShardIndex> {
        match self {
            Weights::Safetensors(files) => files.index(),
            Weights::Pytorch(files) => files.index(),
            Weights::Gguf(_) => None,
        }
    }

    /// Whether a tensor is filed as floats, where that can be told without reading it.
    pub(super) fn is_float(&self, name: &str) -> Option<bool> {
        match self {
            Weights::Safetensors(files) => {
                files.place(name).map(|place| FloatType::from_safetensors(place.dtype).is_some())
            }
            Weights::Pytorch(files) => files.is_float(name),
            Weights::Gguf(_) => None,
        }
    }

    /// Whether a key holds a dictionary of its own, which `torch.save` alone can write.
    pub(super) fn is_nested(&self, key: &str) -> bool {
        matches!(self, Weights::Pytorch(files) if files.is_nested(key))
    }

    /// The directory or file.
    pub fn path(&self) -> &Path {
        match self {
            Weights::Safetensors(files) => files.path(),
            Weights::Pytorch(files) => files.path(),
            Weights::Gguf(file) => file.path(),
        }
    }

    /// The files, where they can be rewritten without loading them.
    ///
    /// # Errors
    /// [`Error::NotStreamable`] where they are not safetensors.
    pub fn streamable(&self) -> Result<&SafetensorsDirectory, Error> {
        match self {
            Weights::Safetensors(files) => Ok(files),
            _ => Err(Error::NotStreamable { path: self.path().into() }),
        }
    }

    /// The names of all tensors, as the files have them.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Weights::Safetensors(files) => files.names().collect(),
            Weights::Pytorch(files) => files.names().collect(),
            Weights::Gguf(file) => file.names().collect(),
        }
    }

    /// The float type that most of the bytes have; none where most are quantized.
    pub fn float_type(&self) -> Option<FloatType> {
        match self {
            Weights::Safetensors(files) => files.float_type(),
            Weights::Pytorch(files) => files.float_type(),
            Weights::Gguf(file) => file.float_type(),
        }
    }

    /// The bytes of the largest file's tensors, where there are several files.
    pub fn shard_bytes(&self) -> Option<u64> {
        match self {
            Weights::Safetensors(files) => files.shard_bytes(),
            Weights::Pytorch(files) => files.shard_bytes(),
            Weights::Gguf(file) => file.largest_part(),
        }
    }

    /// The rows of one tensor that a fingerprint looks at, one after the other; the shape is the whole's.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub(crate) fn sampled(&self, name: &str) -> Result<Option<RawTensor<'_>>, Error> {
        if let Weights::Safetensors(files) = self {
            return files.read_ranges(name, |tensor| tensor.sampled_rows());
        }
        Ok(self.get(name)?.map(|whole| {
            let rows = whole.sampled_rows().into_iter().flat_map(|range| whole.bytes[range].to_vec());
            RawTensor { bytes: rows.collect(), ..whole }
        }))
    }

    /// Takes what was mapped of a tensor off the process, once nothing is made of it any more.
    pub(crate) fn release(&self, name: &str) {
        if let Weights::Safetensors(files) = self {
            files.release(name);
        }
    }

    /// As [`Weights::get`], leaving nothing mapped where the format can.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub(crate) fn read(&self, name: &str) -> Result<Option<RawTensor<'_>>, Error> {
        match self {
            Weights::Safetensors(files) => files.read(name),
            _ => self.get(name),
        }
    }

    /// One tensor, where there is one of that name.
    ///
    /// # Errors
    /// Those of reading and dequantizing it.
    pub(crate) fn get(&self, name: &str) -> Result<Option<RawTensor<'_>>, Error> {
        match self {
            Weights::Safetensors(files) => Ok(files.get(name)),
            Weights::Pytorch(files) => files.get(name),
            Weights::Gguf(file) => file.get(name),
        }
    }
}

/// Whether a path is that of a GGUF file.
pub(crate) fn is_gguf(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}
