//! Results that are either complete or not there.

use crate::Error;
use dress_core::files::{self, NotPlaced};
use std::path::Path;

/// Writes a result beside its place, which was looked at before the work, and renames it when it is complete.
/// Without `replace` a file that has appeared there since stays, and the result is kept beside it.
///
/// # Errors
/// [`Error::Io`], and [`Error::Appeared`], which says where the result is.
pub fn write_result(path: &Path, bytes: &[u8], replace: bool) -> Result<(), Error> {
    let partial =
        files::write_partial(path, bytes).map_err(|cause| Error::Io { path: path.into(), cause })?;
    files::place(&partial, path, replace).map_err(|NotPlaced { kept, cause }| Error::Appeared {
        path: path.into(),
        kept,
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_meanwhile_stays_and_the_result_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("plan.json");
        write_result(&place, b"first", false).unwrap();
        let said = write_result(&place, b"second", false).unwrap_err().to_string();
        assert!(said.contains("plan.json.kept-1"), "{said}");
        assert_eq!(std::fs::read(&place).unwrap(), b"first");
        assert_eq!(std::fs::read(directory.path().join("plan.json.kept-1")).unwrap(), b"second");
        write_result(&place, b"third", true).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"third");
        let folder = directory.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        assert!(write_result(&folder, b"fourth", true).unwrap_err().to_string().contains("folder.kept-1"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}
