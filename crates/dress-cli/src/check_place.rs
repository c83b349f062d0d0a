//! Seeing before the work that its result can be put where it is to go.

use crate::Error;
use std::path::Path;

/// Checks that a directory can be made at `out`: that what is above it is a directory, as far as it is there.
///
/// # Errors
/// [`Error::NoDirectory`].
pub fn check_place(out: &Path) -> Result<(), Error> {
    let above = out.ancestors().skip(1).find(|above| above.exists());
    match above.filter(|above| !above.is_dir()) {
        Some(file) => Err(Error::NoDirectory { path: file.into() }),
        None => Ok(()),
    }
}

/// Checks that a file can be made at `out`, in a directory that is there, and that none is yet unless it may
/// be replaced.
///
/// # Errors
/// [`Error::NoDirectory`], [`Error::Exists`], and [`Error::NotReplaced`] of a pipe or device.
pub fn check_file_place(out: &Path, replace: bool) -> Result<(), Error> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(Error::NoDirectory { path: parent.into() });
    }
    if out.is_dir() || (out.exists() && !replace) {
        return Err(Error::Exists { path: out.into() });
    }
    // The file is renamed to its place, which would make an end of /dev/null.
    if out.exists() && !out.is_file() {
        return Err(Error::NotReplaced { path: out.into(), what: "file" });
    }
    Ok(())
}

/// As [`check_file_place`], where a file that is there may only be replaced if it is one of its own kind,
/// `what`: so what a command reads is never replaced by what it writes.
///
/// # Errors
/// Those of [`check_file_place`], and [`Error::NotReplaced`].
pub fn check_own_file_place(
    out: &Path,
    replace: bool,
    what: &'static str,
    is_one: impl Fn(&Path) -> bool,
) -> Result<(), Error> {
    check_file_place(out, replace)?;
    if out.exists() && !is_one(out) {
        return Err(Error::NotReplaced { path: out.into(), what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_file_or_nowhere_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("run.svg");
        assert!(check_place(&file.join("x/y")).is_ok() && check_file_place(&file, false).is_ok());
        assert!(check_file_place(&file.join("x"), false).unwrap_err().to_string().contains("run.svg"));
        std::fs::write(&file, "").unwrap();
        let refused = check_place(&file.join("x/y")).unwrap_err().to_string();
        assert!(refused.contains("run.svg") && refused.contains("no directory"), "{refused}");
        assert!(check_file_place(&file.join("x"), false).unwrap_err().to_string().contains("no directory"));
        assert!(check_file_place(&file, false).unwrap_err().to_string().contains("--force"));
        assert!(check_file_place(&file, true).is_ok());
        assert!(check_place(Path::new("x")).is_ok() && check_file_place(Path::new("x"), false).is_ok());
    }
}
