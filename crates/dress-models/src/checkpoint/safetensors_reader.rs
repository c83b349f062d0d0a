//! The safetensors files of one checkpoint, memory-mapped and checked against their index.

use super::fused_tensors::{TensorPart, misshapen, parts_of};
use super::git_lfs;
use super::positional::read_at;
use super::raw_tensor::{RawTensor, have_same_numbers};
use super::redundant_tensors::is_redundant;
use super::weight_sets::{SAFETENSORS_INDEX, WeightSet};
use super::{FloatType, ShardIndex};
use crate::Error;
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where in which file a tensor lies.
pub(super) struct TensorPlace<'a> {
    /// The number of its file.
    pub shard: usize,
    pub path: &'a Path,
    pub file: &'a File,
    /// Its first byte.
    pub start: u64,
    pub dtype: safetensors::Dtype,
    pub shape: &'a [usize],
}

/// One or several safetensors files that together hold every tensor once.
pub struct SafetensorsDirectory {
    directory: PathBuf,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, usize>,
    /// Tensors that are rows of others in the files.
    parts: BTreeMap<String, TensorPart>,
    index: Option<ShardIndex>,
}

struct Shard {
    path: PathBuf,
    file: File,
    map: Mmap,
    header: Metadata,
    data: usize,
}

impl SafetensorsDirectory {
    /// Opens a directory's `model.safetensors`, or every shard its index names.
    ///
    /// # Errors
    /// [`Error::WeightsMissing`], [`Error::LfsPointer`], [`Error::Corrupt`], and with an index
    /// [`Error::Index`], [`Error::ShardMissing`] and [`Error::IndexDisagrees`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let set = WeightSet::find(directory)?;
        match set.is_pytorch() {
            true => Err(Error::NotStreamable { path: directory.into() }),
            false => Self::open_found(directory, &set.read),
        }
    }

    /// Opens a weights file, or every shard that an index names.
    pub(super) fn open_found(directory: &Path, found: &Path) -> Result<Self, Error> {
        if found.ends_with(SAFETENSORS_INDEX) {
            return Self::open_sharded(directory, found);
        }
        let shard = Shard::open(found.into())?;
        let tensors = shard.header.tensors().into_keys().map(|name| (name, 0)).collect();
        let parts = BTreeMap::new();
        Ok(Self { directory: directory.into(), shards: vec![shard], tensors, parts, index: None })
    }

    fn open_sharded(directory: &Path, index_path: &Path) -> Result<Self, Error> {
        let index = ShardIndex::read(index_path)?;
        let files = index.files().into_iter();
        let shards: Vec<Shard> =
            files.map(|file| Shard::open(directory.join(file))).collect::<Result<_, Error>>()?;
        let held: Vec<Vec<String>> =
            shards.iter().map(|shard| shard.header.tensors().into_keys().collect()).collect();
        let tensors = index.places(&held, |name, [first, second]| {
            let [first, second] = [first, second].map(|shard: usize| shards[shard].get(name));
            Ok(first.zip(second).is_some_and(|(first, second)| have_same_numbers(&first, &second)))
        })?;
        let parts = BTreeMap::new();
        Ok(Self { directory: directory.into(), shards, tensors, parts, index: Some(index) })
    }

    /// Gives the rows of a tensor names of their own, by which they are read from then on.
    ///
    /// # Errors
    /// [`Error::TensorShape`] where it does not have so many rows.
    pub(super) fn take_apart(&mut self, name: &str, rows: &[(String, usize)]) -> Result<(), Error> {
        let Some(place) = self.place(name) else { return Ok(()) };
        let (shard, found) = (place.shard, place.shape);
        let parts = parts_of(name, found, rows).ok_or_else(|| misshapen(place.path, name, found, rows))?;
        self.tensors.remove(name);
        self.tensors.extend(parts.iter().map(|(part, _)| (part.clone(), shard)));
        self.parts.extend(parts);
        Ok(())
    }

    /// The index, where there is one.
    pub(super) fn index(&self) -> Option<&ShardIndex> {
        self.index.as_ref()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The bytes of the largest shard's tensors, where there is more than one shard.
    pub fn shard_bytes(&self) -> Option<u64> {
        let largest = self.shards.iter().map(|shard| (shard.map.len() - shard.data) as u64).max();
        largest.filter(|_| self.shards.len() > 1)
    }

    /// The float type that most of the bytes have, those of redundant tensors aside.
    pub fn float_type(&self) -> Option<FloatType> {
        let places = self.names().filter(|name| !is_redundant(name)).filter_map(|name| self.place(name));
        FloatType::of_most_bytes(places.map(|place| {
            let numbers = place.shape.iter().product::<usize>();
            (FloatType::from_safetensors(place.dtype), (numbers * place.dtype.bitsize() / 8) as u64)
        }))
    }

    /// Where a tensor lies, where there is one of that name.
    pub(super) fn place(&self, name: &str) -> Option<TensorPlace<'_>> {
        let shard = *self.tensors.get(name)?;
        let Shard { path, file, header, data, .. } = &self.shards[shard];
        let part = self.parts.get(name);
        let info = header.info(part.map_or(name, |part| &part.of))?;
        let skipped = part.map_or(0, |part| part.skipped * info.dtype.bitsize() / 8);
        let start = (data + info.data_offsets.0 + skipped) as u64;
        let shape = part.map_or(info.shape.as_slice(), |part| &part.shape);
        Some(TensorPlace { shard, path, file, start, dtype: info.dtype, shape })
    }

    /// One tensor, read and not mapped, so that its pages do not stay with the process.
    pub(super) fn read(&self, name: &str) -> Result<Option<RawTensor<'_>>, Error> {
        self.read_ranges(name, |mapped| std::iter::once(0..mapped.bytes.len()).collect())
    }

    /// As [`SafetensorsDirectory::read`], of the bytes that `ranges` says, one after the other. The pages of
    /// the others are left where they are.
    pub(super) fn read_ranges(
        &self,
        name: &str,
        ranges: impl Fn(&RawTensor<'_>) -> Vec<Range<usize>>,
    ) -> Result<Option<RawTensor<'_>>, Error> {
        let (Some(place), Some(mapped)) = (self.place(name), self.get(name)) else { return Ok(None) };
        let ranges = ranges(&mapped);
        let mut bytes = vec![0; ranges.iter().map(Range::len).sum()];
        let mut rest = bytes.as_mut_slice();
        for range in ranges {
            let (stretch, after) = rest.split_at_mut(range.len());
            read_at(place.file, stretch, place.start + range.start as u64)
                .map_err(Error::io(place.path, "cannot be read"))?;
            rest = after;
        }
        Ok(Some(RawTensor { bytes: Cow::Owned(bytes), ..mapped }))
    }

    /// Takes the mapped pages of one tensor off the process, so that a model that was made of them is in
    /// memory once. They come back when they are read again.
    pub(super) fn release(&self, name: &str) {
        let Some(TensorPlace { shard, start, dtype, shape, .. }) = self.place(name) else { return };
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        self.shards[shard].release(start as usize, bytes);
    }

    pub(super) fn get(&self, name: &str) -> Option<RawTensor<'_>> {
        let shard = &self.shards[*self.tensors.get(name)?];
        match self.parts.get(name) {
            Some(part) => Some(shard.get(&part.of)?.part(part)),
            None => shard.get(name),
        }
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, Error> {
        git_lfs::check(&path)?;
        let file = dress_core::files::open(&path).map_err(Error::io(&path, "cannot be opened"))?;
        // SAFETY: the map is only read. A file that another process cuts short while it is mapped
        // raises SIGBUS, as for every program that maps its weights; checkpoints are not edited
        // in place.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path, "cannot be mapped"))?;
        let corrupt = |cause| Error::Corrupt { path: path.clone(), cause };
        let (header_len, header) = SafeTensors::read_metadata(&map).map_err(corrupt)?;
        // `read_metadata` has checked that the tensors cover the rest of the file exactly.
        let shard = Self { data: header_len + size_of::<u64>(), path, file, map, header };
        // The system maps more than was read, up to some megabytes of each file.
        shard.release(0, shard.map.len());
        Ok(shard)
    }

    fn get(&self, name: &str) -> Option<RawTensor<'_>> {
        let info = self.header.info(name)?;
        let (start, end) = info.data_offsets;
        let bytes = &self.map[self.data + start..self.data + end];
        let element = FloatType::from_safetensors(info.dtype);
        let name = format!("{:?}", info.dtype);
        let (file, shape) = (self.path.clone(), info.shape.clone());
        Some(RawTensor { file, element, element_name: name, shape, bytes: Cow::Borrowed(bytes) })
    }

    #[cfg(unix)]
    fn release(&self, start: usize, len: usize) {
        // SAFETY: nothing was ever written to the map, so that its pages are read from the file again.
        #[allow(unsafe_code)]
        let released = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, len) };
        // Where the system does not take the advice, memory alone is lost.
        released.ok();
    }

    #[cfg(not(unix))]
    fn release(&self, _start: usize, _len: usize) {}
}
