//! The index of a checkpoint in several files.

use crate::Error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A `*.index.json`: which file holds which tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    path: PathBuf,
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawIndex {
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index and checks that every file it names is there, beside it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Index`], [`Error::IndexEscapes`] and [`Error::ShardMissing`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "cannot be read"))?;
        let index = Self::parse(&text, path)?;
        for file in index.files() {
            let shard = path.with_file_name(file);
            if !shard.exists() {
                let mut held = index.weight_map.iter().filter(|(_, f)| *f == file).map(|(name, _)| name);
                let first = held.next().cloned().unwrap_or_default();
                let index = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let index = index.unwrap_or_default();
                return Err(Error::ShardMissing { shard, index, count: held.count() + 1, first });
            }
        }
        Ok(index)
    }

    /// Reads the text of an index; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::Index`] and [`Error::IndexEscapes`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let raw: RawIndex =
            serde_json::from_str(text).map_err(|source| Error::Index { path: path.into(), source })?;
        for file in raw.weight_map.values() {
            if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
                return Err(Error::IndexEscapes { path: path.into(), shard: file.clone() });
            }
        }
        Ok(Self { path: path.into(), weight_map: raw.weight_map })
    }

    /// The files, each once, in order.
    pub fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.weight_map.values().map(String::as_str).collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Every tensor's place in [`ShardIndex::files`], after checking that index and files, of which
    /// `held` lists the tensors, name the same ones.
    ///
    /// # Errors
    /// [`Error::IndexDisagrees`].
    pub(super) fn places(&self, held: &[Vec<String>]) -> Result<BTreeMap<String, usize>, Error> {
        let mut places = BTreeMap::new();
        let mut wrong = Vec::new();
        for (place, (file, names)) in self.files().into_iter().zip(held).enumerate() {
            for name in names {
                match self.weight_map.get(name) {
                    Some(expected) if expected == file => {}
                    Some(expected) => wrong.push(format!("{name} (in {file}, indexed in {expected})")),
                    None => wrong.push(format!("{name} (in {file}, not in the index)")),
                }
                places.insert(name.clone(), place);
            }
        }
        let absent = self.weight_map.iter().filter(|(name, _)| !places.contains_key(*name));
        wrong.extend(absent.map(|(name, file)| format!("{name} (indexed in {file}, not there)")));
        if wrong.is_empty() {
            Ok(places)
        } else {
            Err(Error::IndexDisagrees { path: self.path.clone(), tensors: wrong })
        }
    }
}
