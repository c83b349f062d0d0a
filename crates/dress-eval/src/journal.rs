//! Results that stay on disk, so that an evaluation goes on where it was broken off and nothing is computed
//! twice.

use crate::Error;
use dress_core::{CausalLm, Fingerprint, parameters};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Where results are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultCache {
    directory: PathBuf,
    /// Whether a damaged file goes on behind its last good line.
    replaces_damaged: bool,
}

impl ResultCache {
    /// A cache in `directory`, which is made when the first result is kept.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.into(), replaces_damaged: false }
    }

    /// The same cache, in which with `replace` a file that is not what was written keeps the lines before the
    /// first that is damaged, instead of being an error.
    #[must_use]
    pub fn replacing_damaged(mut self, replace: bool) -> Self {
        self.replaces_damaged = replace;
        self
    }

    /// The entries that were kept under `key`, and where to keep more.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read or written, [`Error::JournalInUse`] where another process
    /// writes to it, and [`Error::DamagedJournal`] where it is not what was written.
    pub fn open<T: DeserializeOwned>(&self, key: &ResultKey) -> Result<(Vec<T>, Journal), Error> {
        let path = self.directory.join(key.file_name());
        if self.replaces_damaged { Journal::open_or_begin(&path, key) } else { Journal::open(&path, key) }
    }
}

/// Everything that a result depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultKey {
    what: String,
    hash: String,
}

impl ResultKey {
    /// The key of `what` (a word for the file's name) as it follows from `parts`: hashes and settings.
    pub fn new(what: &str, parts: &impl Serialize) -> Self {
        let text = serde_json::to_vec(parts).expect("a key is hashes and settings");
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(what);
        hash.update(text);
        let hash = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { what: what.into(), hash }
    }

    /// What of a model its numbers depend on: the weights, the type they are in, and what computes.
    pub(crate) fn of_model<M: CausalLm>(model: &M) -> impl Serialize {
        let dtype = parameters::list(model).first().map(|parameter| format!("{:?}", parameter.dtype));
        (Fingerprint::of(model), dtype, format!("{:?}", model.device()))
    }

    fn file_name(&self) -> String {
        let what: String =
            self.what.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        format!("{what}-{}.jsonl", self.hash)
    }
}

/// A file that grows by one line a result.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    /// The hash of the last line, or of the key.
    chain: String,
}

impl Journal {
    /// The entries that the file at `path` has under `key`, and the journal to keep more in; the directories
    /// above it are made.
    ///
    /// # Errors
    /// Those of [`ResultCache::open`].
    pub fn open<T: DeserializeOwned>(path: &Path, key: &ResultKey) -> Result<(Vec<T>, Self), Error> {
        Self::of_file(path, key, false)
    }

    /// As [`Journal::open`], where a file that is not what was written keeps the lines before the first that
    /// is damaged: their hashes say that they are good.
    ///
    /// # Errors
    /// Those of [`Journal::open`], but for [`Error::DamagedJournal`].
    pub fn open_or_begin<T: DeserializeOwned>(path: &Path, key: &ResultKey) -> Result<(Vec<T>, Self), Error> {
        Self::of_file(path, key, true)
    }

    fn of_file<T: DeserializeOwned>(
        path: &Path,
        key: &ResultKey,
        replaces_damaged: bool,
    ) -> Result<(Vec<T>, Self), Error> {
        let io = |cause| Error::Io { path: path.into(), cause };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(io)?;
        }
        dress_core::files::check(path).map_err(io)?;
        let file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(io)?;
        // Lines of two processes would not follow from each other. The system lets go of it whenever this process ends.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::JournalInUse { path: path.into() });
        }
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).map_err(io)?;
        if is_of_before_hashes::<T>(&bytes) {
            tracing::warn!(
                "{} was kept by an older version, without hashes; it is measured anew",
                path.display()
            );
            bytes.clear();
        }
        let (kept, damaged) = Kept::of(&bytes, key);
        match damaged {
            None => {}
            Some(line) if replaces_damaged => tracing::warn!(
                "{}, line {line}: damaged, or of an earlier version; {} results before it stay, and the others are made again",
                path.display(),
                kept.entries.len()
            ),
            Some(line) => return Err(Error::DamagedJournal { path: path.into(), line }),
        }
        file.set_len(kept.complete as u64).map_err(io)?;
        Ok((kept.entries, Self { path: path.into(), file: BufWriter::new(file), chain: kept.chain }))
    }

    /// Keeps one result; it is on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn keep(&mut self, entry: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(entry).expect("a result is numbers and texts");
        let hash = chained(&self.chain, line.as_bytes());
        let written = writeln!(self.file, "{hash} {line}").and_then(|()| self.file.flush());
        written.map_err(|cause| Error::Io { path: self.path.clone(), cause })?;
        self.chain = hash;
        Ok(())
    }
}

/// What a journal's file has.
struct Kept<T> {
    entries: Vec<T>,
    /// The bytes of their lines.
    complete: usize,
    /// The hash of the last of them, or of the key.
    chain: String,
}

impl<T: DeserializeOwned> Kept<T> {
    /// What these bytes have under `key`, up to the first line that is not what was written, and the number
    /// of that line, from 1. A last line that was cut off is computed again.
    fn of(bytes: &[u8], key: &ResultKey) -> (Self, Option<usize>) {
        let mut kept = Self { entries: Vec::new(), complete: 0, chain: key.hash.clone() };
        for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            let found = opened(whole, &kept.chain)
                .and_then(|(entry, next)| Some((serde_json::from_slice(entry).ok()?, next)));
            let Some((entry, next)) = found else { return (kept, Some(number + 1)) };
            kept.entries.push(entry);
            kept.chain = next;
            kept.complete += line.len();
        }
        (kept, None)
    }
}

/// Whether every whole line is an entry with no hash before it.
fn is_of_before_hashes<T: DeserializeOwned>(bytes: &[u8]) -> bool {
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let mut entries = whole.map(|line| serde_json::from_slice::<T>(line).is_ok()).peekable();
    entries.peek().is_some() && entries.all(|is_one| is_one)
}

/// The hash of a line behind the one with the hash `before`.
fn chained(before: &str, line: &[u8]) -> String {
    let hash = Sha256::new().chain_update(before).chain_update(line).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The entry of a line and its hash, where that is what follows from the line before.
fn opened<'a>(line: &'a [u8], before: &str) -> Option<(&'a [u8], String)> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    let (hash, entry) = (chained(before, &line[at + 1..]), &line[at + 1..]);
    (hash.as_bytes() == &line[..at]).then_some((entry, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_again_but_for_a_line_that_was_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ResultCache::new(directory.path());
        let key = ResultKey::new("piqa", &("model", 1));
        let (found, mut journal) = cache.open::<(usize, f64)>(&key).unwrap();
        assert!(found.is_empty());
        journal.keep(&(0, -1.5)).unwrap();
        journal.keep(&(1, -2.5)).unwrap();
        drop(journal);
        let path = directory.path().join(key.file_name());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        let (found, mut journal) = cache.open::<(usize, f64)>(&key).unwrap();
        assert_eq!(found, [(0, -1.5)]);
        journal.keep(&(1, -2.5)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let other = ResultKey::new("piqa", &("model", 2));
        assert!(cache.open::<(usize, f64)>(&other).unwrap().0.is_empty());
    }

    #[test]
    fn a_journal_of_before_hashes_is_measured_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (cache, key) = (ResultCache::new(directory.path()), ResultKey::new("piqa", &("model", 1)));
        let path = directory.path().join(key.file_name());
        fs::write(&path, "[0,-1.5]\n[1,-2.5]\n[2,").unwrap();
        let (found, mut journal) = cache.open::<(usize, f64)>(&key).unwrap();
        assert!(found.is_empty());
        journal.keep(&(0, -3.5)).unwrap();
        drop(journal);
        assert_eq!(cache.open::<(usize, f64)>(&key).unwrap().0, [(0, -3.5)]);
        // One with some lines that are no entries is damaged, whoever wrote it.
        fs::write(&path, "[0,-1.5]\n[1,-2.5\n").unwrap();
        assert!(cache.open::<(usize, f64)>(&key).is_err());
    }

    #[test]
    fn a_damaged_journal_keeps_what_is_before_the_damage_where_that_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let key = ResultKey::new("piqa", &("model", 1));
        let strict = ResultCache::new(directory.path());
        let lenient = strict.clone().replacing_damaged(true);
        let path = directory.path().join(key.file_name());
        let (_, mut journal) = strict.open::<(usize, f64)>(&key).unwrap();
        (0..3).for_each(|row| journal.keep(&(row, -1.5)).unwrap());
        drop(journal);
        assert_eq!(lenient.open::<(usize, f64)>(&key).unwrap().0.len(), 3, "one that is whole stays");
        let whole = fs::read_to_string(&path).unwrap();
        let garbage = format!("{whole}garbage\n");
        let without_its_first = whole.split_once('\n').unwrap().1;
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        let without_its_second = [lines[0], lines[2]].concat();
        for (damaged, good) in [
            (garbage.as_str(), 3),
            (without_its_second.as_str(), 1),
            (without_its_first, 0),
            ("garbage\n", 0),
            ("\n", 0),
        ] {
            fs::write(&path, damaged).unwrap();
            assert!(strict.open::<(usize, f64)>(&key).is_err(), "{damaged:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "what is refused stays as it is");
            let (found, mut journal) = lenient.open::<(usize, f64)>(&key).unwrap();
            let rows: Vec<(usize, f64)> = (0..good).map(|row| (row, -1.5)).collect();
            assert_eq!(found, rows, "{damaged:?}");
            journal.keep(&(7, -2.5)).unwrap();
            drop(journal);
            assert_eq!(strict.open::<(usize, f64)>(&key).unwrap().0, [rows, vec![(7, -2.5)]].concat());
        }
        let (_, _held) = strict.open::<(usize, f64)>(&key).unwrap();
        assert!(lenient.open::<(usize, f64)>(&key).is_err(), "another run's is not taken");
    }

    #[test]
    fn one_process_at_a_time_writes_to_a_journal() {
        let directory = tempfile::tempdir().unwrap();
        let (cache, key) = (ResultCache::new(directory.path()), ResultKey::new("piqa", &("model", 1)));
        let (_, mut first) = cache.open::<(usize, f64)>(&key).unwrap();
        first.keep(&(0, -1.5)).unwrap();
        let said = cache.open::<(usize, f64)>(&key).unwrap_err().to_string();
        assert!(said.contains("piqa") && said.contains("another run"), "{said}");
        first.keep(&(1, -1.5)).unwrap();
        drop(first);
        assert_eq!(cache.open::<(usize, f64)>(&key).unwrap().0.len(), 2);
    }

    #[test]
    fn a_flipped_byte_is_refused_or_computed_again_and_never_believed() {
        let directory = tempfile::tempdir().unwrap();
        let (cache, key) = (ResultCache::new(directory.path()), ResultKey::new("piqa", &("model", 1)));
        let (_, mut journal) = cache.open::<(usize, f64)>(&key).unwrap();
        (0..3).for_each(|row| journal.keep(&(row, -1.5)).unwrap());
        drop(journal);
        let path = directory.path().join(key.file_name());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).unwrap();
            match cache.open::<(usize, f64)>(&key) {
                Err(error) => {
                    let says = error.to_string();
                    assert!(says.contains("remove that file, or give `force`"), "{says}");
                }
                // The last line's end: it reads as one that was cut off.
                Ok((found, _)) => assert_eq!((at, found.len()), (whole.len() - 1, 2)),
            }
        }
    }
}
