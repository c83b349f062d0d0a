//! Blocks of a file that have their SHA-256 behind them.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

/// Bytes of the hash behind a block.
pub(crate) const HASH: usize = 32;

/// The `length` bytes at `at` without the hash that they end in; nothing where it is another's.
///
/// # Errors
/// Those of reading.
pub(crate) fn read_block(file: &Mutex<File>, at: u64, length: usize) -> Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length];
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes))?;
    drop(file);
    let hash = bytes.split_off(length - HASH);
    Ok((hash_of(&bytes)[..] == hash[..]).then_some(bytes))
}

/// The hash of a block's bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> [u8; HASH] {
    Sha256::digest(bytes).into()
}
