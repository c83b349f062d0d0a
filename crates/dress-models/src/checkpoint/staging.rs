//! Outputs that are either complete or not there.

use super::OutputError;
use super::directory::{is_document, is_part_of_a_checkpoint};
use crate::Error;
use dress_core::files;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Checks, before any work is done, that a result can be put at `place`: that nothing is there but an empty
/// directory or, with `force`, a checkpoint other than `source`, and that what is there can be replaced.
///
/// # Errors
/// [`OutputError::Exists`] where something is there and `force` is not set, [`OutputError::IsFile`],
/// [`OutputError::Foreign`] where a directory holds what is no part of a checkpoint,
/// [`OutputError::IsSource`], and [`OutputError::Stuck`] and [`Error::Io`] where a directory cannot be
/// replaced, such as a mount point.
pub fn check_output(place: &Path, source: Option<&Path>, force: bool) -> Result<(), Error> {
    let Some(found) = resolve(place)? else { return check_parent(place) };
    if !found.is_dir() {
        return Err(OutputError::IsFile { path: place.into() }.into());
    }
    let entries = entries(&found)?;
    if entries.is_empty() {
        return check_empty(&found);
    }
    if !force {
        return Err(OutputError::Exists { path: place.into() }.into());
    }
    if source.is_some_and(|source| source.canonicalize().is_ok_and(|source| source == found)) {
        return Err(OutputError::IsSource { path: place.into() }.into());
    }
    // A licence and a README are a checkpoint's only beside one.
    let no_checkpoint = !entries.iter().any(|name| is_part_of_a_checkpoint(name) && !is_document(name));
    let is_foreign = |name: &String| !is_part_of_a_checkpoint(name) || (no_checkpoint && is_document(name));
    match entries.into_iter().find(is_foreign) {
        Some(entry) => Err(OutputError::Foreign { path: place.into(), entry }.into()),
        None => check_parent(&found).and_then(|()| check_not_mounted(&found)),
    }
}

/// What is at `place`, behind whatever links lead there; `None` where nothing is.
fn resolve(place: &Path) -> Result<Option<PathBuf>, Error> {
    match fs::symlink_metadata(place) {
        Ok(_) => Ok(Some(place.canonicalize().map_err(Error::io(place, "leads nowhere, remove it"))?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(place, "cannot be looked at")(error)),
    }
}

fn entries(directory: &Path) -> Result<Vec<String>, Error> {
    let names = fs::read_dir(directory).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    });
    names.map_err(Error::io(directory, "cannot be read"))
}

/// An empty directory is made anew, which shows whether it can be.
fn check_empty(directory: &Path) -> Result<(), Error> {
    if std::env::current_dir().is_ok_and(|current| current.starts_with(directory)) {
        return Err(OutputError::Stuck { path: directory.into() }.into());
    }
    fs::remove_dir(directory)
        .and_then(|()| fs::create_dir(directory))
        .map_err(Error::io(directory, "cannot be replaced, choose a place inside it"))
}

/// The nearest directory above `place` that is there has to take new entries.
fn check_parent(place: &Path) -> Result<(), Error> {
    let place = std::path::absolute(place).map_err(Error::io(place, "is no path"))?;
    let parent = place.ancestors().skip(1).find(|parent| parent.exists()).unwrap_or(&place);
    // No result has this name with its number, so that nobody takes it for one that was left.
    let probe = parent.join(format!(".dress-probe.{}", std::process::id()));
    match fs::create_dir(&probe) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(Error::io(&parent, "takes no new entries, choose another place")(error));
        }
        _ => {}
    }
    match fs::remove_dir(&probe) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(&probe, "cannot be removed")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn check_not_mounted(directory: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let current = std::env::current_dir().is_ok_and(|current| current.starts_with(directory));
    match directory.parent() {
        Some(parent) if device(parent) == device(directory) && !current => Ok(()),
        _ => Err(OutputError::Stuck { path: directory.into() }.into()),
    }
}

#[cfg(not(unix))]
fn check_not_mounted(_directory: &Path) -> Result<(), Error> {
    Ok(())
}

/// A directory written beside its place and renamed when complete. Dropped before that, it is
/// removed, and what was in its place before is untouched.
#[derive(Debug)]
pub struct Staging {
    partial: PathBuf,
    /// Where what is replaced goes meanwhile.
    old: PathBuf,
    place: PathBuf,
    source: Option<PathBuf>,
    force: bool,
    keep: bool,
}

impl Staging {
    /// Starts a directory that will be at `place`, made from `source`.
    ///
    /// # Errors
    /// Those of [`check_output`], and [`Error::Io`].
    pub fn new(place: &Path, source: Option<&Path>, force: bool) -> Result<Self, Error> {
        check_output(place, source, force)?;
        Self::beside(place, source, force)
    }

    /// As [`Staging::new`] for a result that is there already and must not be lost: what is wrong with its
    /// place is said when it is to be put there, and the result is then kept beside it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn beside(place: &Path, source: Option<&Path>, force: bool) -> Result<Self, Error> {
        let place = resolve(place).ok().flatten().unwrap_or_else(|| place.into());
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(Error::io(parent, "cannot be made"))?;
        }
        let (partial, old) = make_beside(&place)?;
        Ok(Self { partial, old, place, source: source.map(Into::into), force, keep: false })
    }

    /// The directory to write into.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Puts the directory in its place, with all that is in it on the disk.
    ///
    /// # Errors
    /// [`OutputError::NotPlaced`]; the result is then where that says, and what was in the place before is
    /// still there. [`Error::Io`] where it cannot be removed.
    pub fn commit(mut self) -> Result<(), Error> {
        self.keep = true;
        // Another program may have put something there since the run began.
        let placed = check_output(&self.place, self.source.as_deref(), self.force)
            .map_err(|found| std::io::Error::other(found.to_string()))
            .and_then(|()| files::place_directory(&self.partial, &self.place, &self.old));
        let replaced = placed.map_err(|cause| OutputError::NotPlaced {
            path: self.place.clone(),
            partial: self.kept(),
            cause,
        })?;
        if replaced {
            fs::remove_dir_all(&self.old)
                .map_err(Error::io(&self.old, "the replaced output cannot be removed"))?;
        }
        Ok(())
    }

    /// Gives a result that has no place a name that people see and no later run clears away; says which.
    fn kept(&self) -> PathBuf {
        let name = self.place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut names = (1..1000).map(|number| self.place.with_file_name(format!("{name}.kept-{number}")));
        let kept = names.find(|kept| !kept.exists() && fs::rename(&self.partial, kept).is_ok());
        kept.unwrap_or_else(|| self.partial.clone())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Makes a hidden directory beside `place` that no other process uses, and a name that goes with it.
fn make_beside(place: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let name = place.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut number = std::process::id();
    loop {
        let beside = |what: &str| place.with_file_name(format!(".{name}.{what}-{number}"));
        let (partial, old) = (beside("partial"), beside("replaced"));
        match fs::create_dir(&partial) {
            Ok(()) if !old.exists() => return Ok((partial, old)),
            Ok(()) => fs::remove_dir(&partial).map_err(Error::io(&partial, "cannot be removed"))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&partial, "cannot be made")(error)),
        }
        number = number.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(at: &Path) {
        fs::create_dir(at).unwrap();
        fs::write(at.join("config.json"), "old").unwrap();
    }

    #[test]
    fn a_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("model.gguf");
        fs::write(&file, "weights").unwrap();
        for force in [false, true] {
            let message = check_output(&file, None, force).unwrap_err().to_string();
            assert!(message.contains("model.gguf") && message.contains("is a file"), "{message}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "weights");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_followed_and_one_that_leads_nowhere_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (link, real) = (directory.path().join("link"), directory.path().join("real"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let message = check_output(&link, None, true).unwrap_err().to_string();
        assert!(message.contains("link") && message.contains("leads nowhere"), "{message}");
        checkpoint(&real);
        let staging = Staging::new(&link, None, true).unwrap();
        fs::write(staging.path().join("config.json"), "new").unwrap();
        staging.commit().unwrap();
        assert_eq!(fs::read_to_string(real.join("config.json")).unwrap(), "new");
        assert!(link.is_symlink());
    }

    #[test]
    fn the_directory_of_the_process_is_an_error_at_once() {
        let message = check_empty(&std::env::current_dir().unwrap()).unwrap_err().to_string();
        assert!(message.contains("cannot be replaced"), "{message}");
    }

    #[test]
    fn a_parent_that_takes_no_entries_is_an_error_at_once() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        assert!(check_output(&directory.path().join("file/out"), None, false).is_err());
        check_output(&directory.path().join("new/er/out"), None, false).unwrap();
        assert_eq!(entries(directory.path()).unwrap(), ["file"]);
    }

    #[test]
    fn stale_partial_results_are_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        let (stale, _) = make_beside(&place).unwrap();
        let staging = Staging::new(&place, None, false).unwrap();
        assert_ne!(staging.path(), stale);
        staging.commit().unwrap();
        assert!(place.is_dir() && stale.is_dir());
    }

    #[test]
    fn a_result_that_cannot_be_placed_is_kept_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        let staging = Staging::new(&place, None, false).unwrap();
        fs::write(staging.path().join("config.json"), "new").unwrap();
        // Meanwhile another program puts something there.
        checkpoint(&place);
        let partial = staging.path().to_path_buf();
        let message = staging.commit().unwrap_err().to_string();
        let kept = directory.path().join("out.kept-1");
        assert!(message.contains(&kept.display().to_string()) && !partial.exists(), "{message}");
        assert_eq!(fs::read_to_string(kept.join("config.json")).unwrap(), "new");
        assert_eq!(fs::read_to_string(place.join("config.json")).unwrap(), "old");
        // Before it was begun to be written.
        for (force, taken) in [(false, "config.json"), (true, "thesis.txt")] {
            fs::write(place.join(taken), "precious").unwrap();
            assert!(Staging::new(&place, None, force).is_err());
            let staging = Staging::beside(&place, None, force).unwrap();
            fs::write(staging.path().join("config.json"), "newer").unwrap();
            let message = staging.commit().unwrap_err().to_string();
            assert!(message.contains("out.kept-"), "{message}");
            assert_eq!(fs::read_to_string(place.join(taken)).unwrap(), "precious");
        }
        assert_eq!(fs::read_to_string(directory.path().join("out.kept-3/config.json")).unwrap(), "newer");
        fs::remove_dir_all(&place).unwrap();
        fs::write(&place, "a file").unwrap();
        assert!(
            Staging::beside(&place, None, true).unwrap().commit().unwrap_err().to_string().contains("kept-4")
        );
        assert_eq!(fs::read_to_string(&place).unwrap(), "a file");
    }

    #[test]
    fn what_is_put_into_a_place_while_its_result_is_made_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        checkpoint(&place);
        let staging = Staging::new(&place, None, true).unwrap();
        fs::write(place.join("thesis.txt"), "precious").unwrap();
        let message = staging.commit().unwrap_err().to_string();
        assert!(message.contains("thesis.txt") && message.contains("out.kept-1"), "{message}");
        assert_eq!(fs::read_to_string(place.join("thesis.txt")).unwrap(), "precious");
    }

    #[test]
    fn a_probe_is_no_result_and_one_that_was_left_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("dress");
        let staging = Staging::new(&place, None, false).unwrap();
        fs::create_dir(directory.path().join(format!(".dress-probe.{}", std::process::id()))).unwrap();
        check_output(&place, None, false).unwrap();
        staging.commit().unwrap();
        assert_eq!(entries(directory.path()).unwrap(), ["dress"]);
    }

    #[test]
    fn a_checkpoint_is_replaced_and_other_things_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        checkpoint(&place);
        for name in ["recover.json", "search.json", "README.md", "README.source.md", "LICENSE"] {
            fs::write(place.join(name), "{}").unwrap();
        }
        assert!(matches!(check_output(&place, None, false), Err(Error::Output(OutputError::Exists { .. }))));
        assert!(matches!(
            check_output(&place, Some(&place), true),
            Err(Error::Output(OutputError::IsSource { .. }))
        ));
        check_output(&place, None, true).unwrap();
        fs::write(place.join("notes.txt"), "").unwrap();
        assert!(matches!(check_output(&place, None, true), Err(Error::Output(OutputError::Foreign { .. }))));
    }

    #[test]
    fn a_directory_of_documents_alone_is_no_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("README.md"), "precious").unwrap();
        let message = check_output(&place, None, true).unwrap_err().to_string();
        assert!(message.contains("holds `README.md`, which is no part of a checkpoint"), "{message}");
    }

    #[test]
    fn what_is_dropped_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Staging::new(&directory.path().join("out"), None, false).unwrap());
        assert!(entries(directory.path()).unwrap().is_empty());
    }
}
