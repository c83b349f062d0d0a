//! One run at a time to one place, and what dead ones left there.

use crate::Error;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A place that no other run writes to while this is held: a lock on the file `.NAME.lock` beside it, which
/// the system lets go of when the process ends, however it does.
#[derive(Debug)]
pub struct PlaceLock {
    path: PathBuf,
    _file: File,
}

/// What a lock made on disk: its file, and the directories for it, the outermost first.
#[derive(Debug)]
struct Made {
    lock: PathBuf,
    directories: Vec<PathBuf>,
}

/// Those of every lock that is held.
static HELD: Mutex<Vec<Made>> = Mutex::new(Vec::new());

impl PlaceLock {
    /// Takes the lock of the result at `place`, and clears away what runs that died left beside it.
    /// Directories above it are made where they are not there, and removed with the lock where nothing came
    /// into them. Where no file can be made there, or the file system knows no locks, there is none.
    ///
    /// # Errors
    /// [`Error::Locked`] where another process has it.
    pub fn take(place: &Path) -> Result<Option<Self>, Error> {
        let directories = make_above(place);
        let real = real(place);
        let Some(name) = real.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Ok(None);
        };
        let path = real.with_file_name(format!(".{name}.lock"));
        let lock = Self::lock(&path, place);
        match &lock {
            Ok(Some(_)) => {
                held().push(Made { lock: path, directories });
                clear(&real, &name);
            }
            _ => remove_empty(&directories),
        }
        lock
    }

    fn lock(path: &Path, place: &Path) -> Result<Option<Self>, Error> {
        // Between opening a file and locking it its last holder may have removed it.
        for _ in 0..100 {
            let Ok(mut file) =
                OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
            else {
                return Ok(None);
            };
            match file.try_lock() {
                Ok(()) if !is_at(&file, path) => {}
                Ok(()) => {
                    let process = std::process::id().to_string();
                    let _ = file
                        .set_len(0)
                        .and_then(|()| file.rewind())
                        .and_then(|()| file.write_all(process.as_bytes()));
                    return Ok(Some(Self { path: path.into(), _file: file }));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut process = String::new();
                    let _ = file.read_to_string(&mut process);
                    return Err(Error::Locked { path: place.into(), process });
                }
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
        Ok(None)
    }
}

impl Drop for PlaceLock {
    fn drop(&mut self) {
        let mut held = held();
        if let Some(index) = held.iter().position(|made| made.lock == self.path) {
            held.swap_remove(index).remove();
        }
    }
}

impl Made {
    fn remove(&self) {
        let _ = fs::remove_file(&self.lock);
        remove_empty(&self.directories);
    }
}

fn held() -> std::sync::MutexGuard<'static, Vec<Made>> {
    HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Removes what all locks made, for a process that is about to end without dropping them.
pub(crate) fn release_all() {
    held().drain(..).for_each(|made| made.remove());
}

/// The place behind whatever links lead there, so that one place has one lock.
fn real(place: &Path) -> PathBuf {
    let above = place.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = || Some(above.canonicalize().ok()?.join(place.file_name()?));
    place.canonicalize().ok().or_else(beside).unwrap_or_else(|| place.into())
}

/// Makes the directories above `place`; those that were not there, the outermost first.
fn make_above(place: &Path) -> Vec<PathBuf> {
    let above = place.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    let mut missing: Vec<PathBuf> =
        above.take_while(|above| !above.exists()).map(Path::to_path_buf).collect();
    missing.reverse();
    missing.into_iter().take_while(|directory| fs::create_dir(directory).is_ok()).collect()
}

/// A directory with something in it is not removed by the system.
fn remove_empty(directories: &[PathBuf]) {
    directories.iter().rev().for_each(|directory| _ = fs::remove_dir(directory));
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |found: fs::Metadata| (found.dev(), found.ino());
    file.metadata().ok().map(of) == fs::metadata(path).ok().map(of)
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Removes unfinished results of runs that died, and puts back what one of them was about to replace. Whoever
/// holds the lock is alone here.
fn clear(place: &Path, name: &str) {
    let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let left = entry.file_name().to_string_lossy().into_owned();
        let of = |what: &str| {
            let number = left.strip_prefix(&format!(".{name}.{what}-"));
            number
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let path = entry.path();
        if of("replaced") && !place.exists() {
            if fs::rename(&path, place).is_ok() {
                tracing::warn!(
                    "{} was put back from {left}, where a run that died had left it",
                    place.display()
                );
            }
        } else if of("partial") || of("replaced") {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Ok(()) => tracing::warn!("{} was removed: a run that died had left it", path.display()),
                Err(error) => tracing::warn!(
                    "{} was left by a run that died and cannot be removed: {error}",
                    path.display()
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_run_and_no_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("out");
        let first = PlaceLock::take(&place).unwrap();
        assert!(first.is_some());
        let refused = PlaceLock::take(&place).unwrap_err().to_string();
        assert!(refused.contains("out") && refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(PlaceLock::take(&directory.path().join("other")).unwrap().is_some());
        drop(first);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(PlaceLock::take(&place).unwrap().is_some());
        fs::write(directory.path().join("file"), "").unwrap();
        assert!(PlaceLock::take(&directory.path().join("file/out")).unwrap().is_none());
    }

    #[test]
    fn a_place_in_a_directory_that_is_not_there_is_locked_and_leaves_it_where_something_came() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("new/er/out");
        let lock = PlaceLock::take(&place).unwrap().unwrap();
        assert!(PlaceLock::take(&place).is_err());
        assert!(
            PlaceLock::take(&directory.path().join("new/er/../er/out")).is_err(),
            "the same by another name"
        );
        drop(lock);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let lock = PlaceLock::take(&place).unwrap().unwrap();
        fs::create_dir(&place).unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(directory.path().join("new/er")).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_a_place_has_its_lock() {
        let directory = tempfile::tempdir().unwrap();
        let (place, link) = (directory.path().join("out"), directory.path().join("link"));
        fs::create_dir(&place).unwrap();
        std::os::unix::fs::symlink(&place, &link).unwrap();
        let _lock = PlaceLock::take(&place).unwrap().unwrap();
        assert!(PlaceLock::take(&link).unwrap_err().to_string().contains("link"));
    }

    #[test]
    fn what_dead_runs_left_goes_and_what_they_were_replacing_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in [".out.partial-12", ".out.replaced-12", ".out.partial-mine", ".other.partial-12"] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("file"), name).unwrap();
        }
        drop(PlaceLock::take(&at("out")).unwrap());
        assert!(!at(".out.partial-12").exists() && !at(".out.replaced-12").exists());
        assert_eq!(fs::read_to_string(at("out/file")).unwrap(), ".out.replaced-12");
        assert!(at(".out.partial-mine").exists() && at(".other.partial-12").exists());
        fs::create_dir(at(".out.replaced-13")).unwrap();
        drop(PlaceLock::take(&at("out")).unwrap());
        assert!(!at(".out.replaced-13").exists() && at("out/file").exists());
    }
}
