//! The safetensors files of one checkpoint, memory-mapped and checked against their index.

use super::FloatType;
use crate::Error;
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// One or several safetensors files that together hold every tensor once.
pub struct SafetensorsDirectory {
    directory: PathBuf,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, usize>,
}

struct Shard {
    path: PathBuf,
    map: Mmap,
    header: Metadata,
    data: usize,
}

/// One tensor as it lies in its file.
pub(super) struct RawTensor<'a> {
    pub file: &'a Path,
    pub dtype: safetensors::Dtype,
    pub shape: &'a [usize],
    pub bytes: &'a [u8],
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsDirectory {
    /// Opens a directory's `model.safetensors`, or every shard its index names.
    ///
    /// # Errors
    /// [`Error::WeightsMissing`], [`Error::Corrupt`], and with an index [`Error::Index`],
    /// [`Error::ShardMissing`] and [`Error::IndexDisagrees`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let index_path = directory.join(INDEX);
        if index_path.exists() {
            return Self::open_sharded(directory, &index_path);
        }
        let single = directory.join(SINGLE);
        if !single.exists() {
            return Err(Error::WeightsMissing { path: directory.into() });
        }
        let shard = Shard::open(single)?;
        let tensors = shard.header.tensors().into_keys().map(|name| (name, 0)).collect();
        Ok(Self { directory: directory.into(), shards: vec![shard], tensors })
    }

    fn open_sharded(directory: &Path, index_path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(index_path).map_err(Error::io(index_path, "cannot be read"))?;
        let index: Index =
            serde_json::from_str(&text).map_err(|source| Error::Index { path: index_path.into(), source })?;
        let mut files: Vec<&String> = index.weight_map.values().collect();
        files.sort();
        files.dedup();
        let mut shards = Vec::new();
        for file in &files {
            if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
                return Err(Error::IndexEscapes { path: index_path.into(), shard: file.to_string() });
            }
            let path = directory.join(file);
            if !path.exists() {
                let mut held = index.weight_map.iter().filter(|(_, f)| f == file).map(|(name, _)| name);
                let first = held.next().cloned().unwrap_or_default();
                return Err(Error::ShardMissing { shard: path, count: held.count() + 1, first });
            }
            shards.push(Shard::open(path)?);
        }
        let tensors = Self::match_index(&index, &files, &shards, index_path)?;
        Ok(Self { directory: directory.into(), shards, tensors })
    }

    /// Every tensor's shard, after checking that index and shards name the same ones.
    fn match_index(
        index: &Index,
        files: &[&String],
        shards: &[Shard],
        index_path: &Path,
    ) -> Result<BTreeMap<String, usize>, Error> {
        let mut tensors = BTreeMap::new();
        let mut wrong = Vec::new();
        for (shard, file) in files.iter().enumerate() {
            for name in shards[shard].header.tensors().into_keys() {
                match index.weight_map.get(&name) {
                    Some(expected) if expected == *file => {}
                    Some(expected) => wrong.push(format!("{name} (in {file}, indexed in {expected})")),
                    None => wrong.push(format!("{name} (in {file}, not in the index)")),
                }
                tensors.insert(name, shard);
            }
        }
        let absent = index.weight_map.iter().filter(|(name, _)| !tensors.contains_key(*name));
        wrong.extend(absent.map(|(name, file)| format!("{name} (indexed in {file}, not there)")));
        if wrong.is_empty() {
            Ok(tensors)
        } else {
            Err(Error::IndexDisagrees { path: index_path.into(), tensors: wrong })
        }
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

    /// The float type of the tensors, where they all have the same.
    pub fn float_type(&self) -> Option<FloatType> {
        let mut types = self.shards.iter().flat_map(|s| s.header.tensors().into_values().map(|t| t.dtype));
        let first = types.next()?;
        types.all(|t| t == first).then(|| FloatType::from_safetensors(first)).flatten()
    }

    pub(super) fn get(&self, name: &str) -> Option<RawTensor<'_>> {
        let shard = &self.shards[*self.tensors.get(name)?];
        let info = shard.header.info(name)?;
        let (start, end) = info.data_offsets;
        let bytes = &shard.map[shard.data + start..shard.data + end];
        Some(RawTensor { file: &shard.path, dtype: info.dtype, shape: &info.shape, bytes })
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let file = File::open(&path).map_err(Error::io(&path, "cannot be opened"))?;
        // SAFETY: the map is only read. A file that another process cuts short while it is mapped
        // raises SIGBUS, as for every program that maps its weights; checkpoints are not edited
        // in place.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path, "cannot be mapped"))?;
        let corrupt = |source| Error::Corrupt { path: path.clone(), source };
        let (header_len, header) = SafeTensors::read_metadata(&map).map_err(corrupt)?;
        // `read_metadata` has checked that the tensors cover the rest of the file exactly.
        Ok(Self { data: header_len + size_of::<u64>(), path, map, header })
    }
}
