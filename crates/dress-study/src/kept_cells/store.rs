//! Finished cells on disk.

use crate::{Error, clear_unfinished, write_beside};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
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
        std::fs::create_dir_all(directory).map_err(|cause| Error::Io { path: directory.into(), cause })?;
        clear_unfinished(directory);
        Ok(Self { directory: directory.into() })
    }

    fn path(&self, name: &str, key: &str) -> PathBuf {
        self.directory.join(format!("{name}-{}.json", key.get(..12).unwrap_or(key)))
    }

    /// The cell, where it was finished with the same key. One of another format that carries its hash is no
    /// cell, and neither is one of the time before cells carried theirs.
    ///
    /// # Errors
    /// [`Error::DamagedCell`] where the file is not what was written.
    pub fn get<C: Finished>(&self, name: &str, key: &str) -> Result<Option<C>, Error> {
        let path = self.path(name, key);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::Io { path, cause }),
        };
        let damaged = |reason: String| Error::DamagedCell { path: path.clone(), reason };
        let value: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if value.is_object() && !has_a_seal(text) {
            tracing::warn!(
                "{} was kept by an older version, without its hash; it is measured anew",
                path.display()
            );
            return Ok(None);
        }
        if !is_sealed(text) {
            return Err(damaged("it is not what its SHA-256 says".into()));
        }
        let Ok(cell) = serde_json::from_value::<C>(value) else { return Ok(None) };
        Ok((cell.schema() == C::SCHEMA && cell.key() == key).then_some(cell))
    }

    /// Keeps a cell, complete or not at all. `name` is what its file is called, beside its key.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put<C: Finished>(&self, name: &str, cell: &C) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(cell).expect("a cell is numbers and texts");
        let text = text.trim_end().strip_suffix('}').unwrap_or(&text).trim_end();
        write_beside(&self.path(name, cell.key()), sealed(text, &hash_of(text)).as_bytes())
    }

    /// Forgets a cell, where it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(&self, name: &str, key: &str) -> Result<(), Error> {
        let path = self.path(name, key);
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Error::Io { path, cause }),
            _ => Ok(()),
        }
    }
}

/// What stands before a cell's own hash, which is that of all the text before it.
const SHA256: &str = ",\n  \"file_sha256\": \"";

fn sealed(text: &str, hash: &str) -> String {
    format!("{text}{SHA256}{hash}\"\n}}")
}

fn hash_of(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the last value stands where a hash does and is as long as one, whatever it is.
fn has_a_seal(text: &[u8]) -> bool {
    let mut lines = text.rsplit(|byte| *byte == b'\n').skip(1);
    let line = lines.next().unwrap_or_default();
    line.len() == SHA256.len() - ",\n".len() + 64 + 1 && line.starts_with(b"  \"") && line.ends_with(b"\"")
}

fn is_sealed(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let before = text.rfind(SHA256).map(|at| &text[..at]);
    before.is_some_and(|before| sealed(before, &hash_of(before)) == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Small {
        schema: u32,
        key: String,
        perplexity: f64,
    }

    impl Finished for Small {
        const SCHEMA: u32 = 1;

        fn schema(&self) -> u32 {
            self.schema
        }

        fn key(&self) -> &str {
            &self.key
        }
    }

    #[test]
    fn any_flipped_byte_of_a_kept_cell_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = CellStore::open(directory.path()).unwrap();
        let cell = Small { schema: 1, key: "0123456789abcdef".into(), perplexity: 12.5 };
        assert!(store.get::<Small>("seed-1", &cell.key).unwrap().is_none());
        store.put("seed-1", &cell).unwrap();
        assert_eq!(store.get::<Small>("seed-1", &cell.key).unwrap().unwrap(), cell);
        let path = store.path("seed-1", &cell.key);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            let said = store.get::<Small>("seed-1", &cell.key).unwrap_err().to_string();
            assert!(said.contains("seed-1") && said.contains("remove that file"), "{at}: {said}");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(store.get::<Small>("seed-1", &cell.key).is_err());
    }

    #[test]
    fn a_cell_of_before_hashes_is_measured_anew() {
        let directory = tempfile::tempdir().unwrap();
        let store = CellStore::open(directory.path()).unwrap();
        let cell = Small { schema: 1, key: "0123456789abcdef".repeat(4), perplexity: 12.5 };
        std::fs::write(store.path("dense", &cell.key), serde_json::to_string_pretty(&cell).unwrap()).unwrap();
        assert!(store.get::<Small>("dense", &cell.key).unwrap().is_none());
        store.put("dense", &cell).unwrap();
        assert_eq!(store.get::<Small>("dense", &cell.key).unwrap().unwrap(), cell);
    }
}
