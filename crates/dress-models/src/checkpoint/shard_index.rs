//! The index of a checkpoint in several files.

use super::git_lfs;
use super::redundant_tensors::is_redundant;
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
        git_lfs::check(path)?;
        let text = dress_core::files::read_to_string(path).map_err(Error::io(path, "cannot be read"))?;
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
            serde_json::from_str(text).map_err(|cause| Error::Index { path: path.into(), cause })?;
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

    /// The index.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that the index places a tensor in.
    pub(super) fn place_of(&self, name: &str) -> Option<&str> {
        self.weight_map.get(name).map(String::as_str)
    }

    /// Every tensor's place in [`ShardIndex::files`], of which `held` lists the tensors. As in
    /// `transformers`, what the files hold counts, not which of them the index says. A tensor in two files
    /// has to be the `same` in both.
    ///
    /// # Errors
    /// [`Error::IndexDisagrees`], and those of `same`.
    pub(super) fn places(
        &self,
        held: &[Vec<String>],
        same: impl Fn(&str, [usize; 2]) -> Result<bool, Error>,
    ) -> Result<BTreeMap<String, usize>, Error> {
        let files = self.files();
        let (mut places, mut wrong) = (BTreeMap::new(), Vec::new());
        for (place, names) in held.iter().enumerate() {
            for name in names {
                match places.get(name) {
                    Some(&first) if !is_redundant(name) && !same(name, [first, place])? => {
                        wrong.push(format!(
                            "{name} (in {} and, with other numbers, in {})",
                            files[first], files[place]
                        ));
                    }
                    Some(_) => {}
                    None => {
                        places.insert(name.clone(), place);
                    }
                }
            }
        }
        match wrong.is_empty() {
            true => Ok(places),
            false => Err(Error::IndexDisagrees { path: self.path.clone(), tensors: wrong }),
        }
    }
}
