//! Finished cells on disk.

use crate::{Error, write_beside};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// What is kept of a finished cell.
pub trait Finished: Serialize + DeserializeOwned {
    /// The version of the file's format that this crate writes and reads.
    const SCHEMA: u32;

    /// The version that the cell was written with.
    fn schema(&self) -> u32;

    /// The hash of its [`CellKey`](super::CellKey).
    fn key(&self) -> &str;
}

/// A directory with one file a finished cell, named for the cell and its key.
#[derive(Debug, Clone)]
pub struct CellStore {
    directory: PathBuf,
}

impl CellStore {
    /// Opens the directory, making it where it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(directory: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(|source| Error::Io { path: directory.into(), source })?;
        Ok(Self { directory: directory.into() })
    }

    fn path(&self, name: &str, key: &str) -> PathBuf {
        self.directory.join(format!("{name}-{}.json", key.get(..12).unwrap_or(key)))
    }

    /// The cell, where it was finished with the same key. A file that is damaged or of another format is no cell.
    pub fn get<C: Finished>(&self, name: &str, key: &str) -> Option<C> {
        let text = std::fs::read_to_string(self.path(name, key)).ok()?;
        let cell: C = serde_json::from_str(&text).ok()?;
        (cell.schema() == C::SCHEMA && cell.key() == key).then_some(cell)
    }

    /// Keeps a cell, complete or not at all. `name` is what its file is called, beside its key.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put<C: Finished>(&self, name: &str, cell: &C) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(cell).expect("a cell is numbers and texts");
        write_beside(&self.path(name, cell.key()), text.as_bytes())
    }

    /// Forgets a cell, where it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&self, name: &str, key: &str) -> Result<(), Error> {
        let path = self.path(name, key);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Io { path, source }),
            _ => Ok(()),
        }
    }
}
