//! Finished cells on disk.

use super::{COMPARISON_SCHEMA, Cell, CellId};
use crate::{Error, write_beside};
use std::path::{Path, PathBuf};

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

    fn path(&self, id: &CellId, key: &str) -> PathBuf {
        let name = id.to_string().replace('@', "-");
        self.directory.join(format!("{name}-{}.json", key.get(..12).unwrap_or(key)))
    }

    /// The cell, where it was finished with the same key. A file that is damaged or of another format is no cell.
    pub fn get(&self, id: &CellId, key: &str) -> Option<Cell> {
        let text = std::fs::read_to_string(self.path(id, key)).ok()?;
        let cell: Cell = serde_json::from_str(&text).ok()?;
        (cell.schema == COMPARISON_SCHEMA && cell.key == key).then_some(cell)
    }

    /// Keeps a cell, complete or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put(&self, cell: &Cell) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(cell).expect("a cell is numbers and texts");
        write_beside(&self.path(&cell.id(), &cell.key), text.as_bytes())
    }
}
