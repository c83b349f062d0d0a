//! Outputs that are either complete or not there.

use super::directory::is_part_of_a_checkpoint;
use crate::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks, before any work is done, that a result can be put at `place`: that nothing is there but an empty
/// directory or, with `force`, a checkpoint other than `source`.
///
/// # Errors
/// [`Error::OutputExists`] where something is there and `force` is not set, [`Error::OutputForeign`] where a
/// directory holds what is no part of a checkpoint, and [`Error::OutputIsSource`].
pub fn check_output(place: &Path, source: Option<&Path>, force: bool) -> Result<(), Error> {
    if !place.exists() || is_empty(place) {
        return Ok(());
    }
    if !force {
        return Err(Error::OutputExists { path: place.into() });
    }
    let same = |source: &Path| source.canonicalize().ok() == place.canonicalize().ok();
    if source.is_some_and(same) {
        return Err(Error::OutputIsSource { path: place.into() });
    }
    match foreign_entry(place) {
        Some(entry) => Err(Error::OutputForeign { path: place.into(), entry }),
        None => Ok(()),
    }
}

fn is_empty(place: &Path) -> bool {
    fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none())
}

/// A name in a directory that no checkpoint has, so that replacing the directory would lose something else.
fn foreign_entry(place: &Path) -> Option<String> {
    let entries = fs::read_dir(place).ok()?.flatten();
    let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| !is_part_of_a_checkpoint(name))
}

/// A directory written beside its place and renamed when complete. Dropped before that, it is
/// removed, and what was in its place before is untouched.
#[derive(Debug)]
pub struct Staging {
    partial: PathBuf,
    place: PathBuf,
    replaces: bool,
    committed: bool,
}

impl Staging {
    /// Starts a directory that will be at `place`, made from `source`.
    ///
    /// # Errors
    /// Those of [`check_output`], and [`Error::Io`].
    pub fn new(place: &Path, source: Option<&Path>, force: bool) -> Result<Self, Error> {
        check_output(place, source, force)?;
        let replaces = place.exists();
        let partial = beside(place, "partial");
        if let Some(parent) = partial.parent() {
            fs::create_dir_all(parent).map_err(Error::io(parent, "cannot be made"))?;
        }
        fs::create_dir(&partial).map_err(Error::io(&partial, "cannot be made"))?;
        Ok(Self { partial, place: place.into(), replaces, committed: false })
    }

    /// The directory to write into.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Puts the directory in its place.
    ///
    /// # Errors
    /// [`Error::Io`]; what was in the place before is then still there.
    pub fn commit(mut self) -> Result<(), Error> {
        let old = beside(&self.place, "replaced");
        if self.replaces {
            fs::rename(&self.place, &old).map_err(Error::io(&self.place, "cannot be replaced"))?;
        }
        if let Err(source) = fs::rename(&self.partial, &self.place) {
            if self.replaces {
                let _ = fs::rename(&old, &self.place);
            }
            return Err(Error::io(&self.place, "cannot be put in its place")(source));
        }
        self.committed = true;
        if self.replaces {
            remove(&old).map_err(Error::io(&old, "the replaced output cannot be removed"))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// A hidden name beside `place` that no other process uses.
fn beside(place: &Path, what: &str) -> PathBuf {
    let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    place.with_file_name(format!(".{name}.{what}-{}", std::process::id()))
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
