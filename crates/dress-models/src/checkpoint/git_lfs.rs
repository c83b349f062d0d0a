//! Files of which Git LFS left only the pointer.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How every pointer begins.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Checks that a file that is there is not a pointer, and that it is one that ends.
///
/// # Errors
/// [`Error::LfsPointer`], and [`Error::Io`] of a pipe, device or socket.
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    dress_core::files::check(path).map_err(Error::io(path, "cannot be read"))?;
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(POINTER.len() as u64).read_to_end(&mut first));
    match read {
        Ok(_) if first == POINTER => Err(Error::LfsPointer { path: path.into() }),
        // What cannot be read is said by whoever reads it.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_told_from_other_text_and_from_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.gguf");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
        for (text, is_pointer) in [(pointer, true), ("version 2", false), ("", false)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(check(&path).is_err(), is_pointer, "{text}");
        }
        assert!(check(&directory.path().join("nothing")).is_ok());
    }
}
