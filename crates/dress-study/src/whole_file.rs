//! Files that are either complete or not there.

use crate::Error;
use dress_core::files;
use std::fs;
use std::path::Path;

/// Writes a file beside its place and renames it when it is complete, over whatever is there.
///
/// # Errors
/// [`Error::Io`]; nothing is left behind.
pub fn write_beside(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    files::write_whole(path, bytes).map_err(|cause| Error::Io { path: path.into(), cause })
}

/// Removes files that [`write_beside`] left unfinished in `directory` when its process died.
pub fn clear_unfinished(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let left = entry.file_name().to_string_lossy().into_owned();
        let of = left.strip_prefix('.').and_then(|left| left.rsplit_once(".partial-"));
        let Some((name, process)) = of else { continue };
        let ours = [".json", ".jsonl", ".md", ".svg", ".png", ".html", ".csv"]
            .iter()
            .any(|ending| name.ends_with(ending));
        if ours && process.parse().is_ok_and(is_of_a_dead_process) && fs::remove_file(entry.path()).is_ok() {
            tracing::warn!("{} was removed: a run that died had left it", entry.path().display());
        }
    }
}

/// Whether a number is that of a process of this machine that is no more; of another machine's nothing is
/// known.
fn is_of_a_dead_process(number: u64) -> bool {
    files::process_of(number).and_then(|process| i32::try_from(process).ok()).is_some_and(is_gone)
}

#[cfg(unix)]
fn is_gone(process: i32) -> bool {
    use nix::{errno::Errno, sys::signal::kill, unistd::Pid};
    process > 0 && kill(Pid::from_raw(process), None) == Err(Errno::ESRCH)
}

#[cfg(not(unix))]
fn is_gone(_process: i32) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_of_dead_processes_go_and_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        let (gone, here) = (dead.id(), std::process::id());
        dead.wait().unwrap();
        let left = |name: &str, process| directory.path().join(format!(".{name}.partial-{process}"));
        let elsewhere = u64::from(gone) + u64::MAX / 20_000_000_000 * 10_000_000_000;
        let elsewhere = directory.path().join(format!(".cell.json.partial-{elsewhere}"));
        let kept = [left("cell.json", here), left("notes", gone), left("cell.json", 0), elsewhere];
        let removed = [left("cell.json", gone), left("compare.svg", gone), left("compare.png", gone)];
        kept.iter().chain(&removed).for_each(|path| fs::write(path, "half").unwrap());
        clear_unfinished(directory.path());
        assert!(kept.iter().all(|path| path.exists()) && removed.iter().all(|path| !path.exists()));
    }
}
