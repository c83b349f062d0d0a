//! The files that a name stands for.

use crate::Error;
use std::path::{Path, PathBuf};

/// The files of a folder and its folders in the order of their names, or of a list with commas; none where
/// `given` is one file. What exists under the whole name is no list.
pub(crate) fn files(given: &Path) -> Result<Option<Vec<PathBuf>>, Error> {
    let name = given.to_string_lossy();
    if given.is_dir() {
        let mut files = Vec::new();
        add_files(given, &mut files)?;
        one_split(given, &files)?;
        return Ok(Some(files));
    }
    let is_list = name.contains(',') && !given.exists();
    Ok(is_list.then(|| name.split(',').filter(|part| !part.is_empty()).map(PathBuf::from).collect()))
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let io = |cause| Error::Io { path: folder.into(), cause };
    let entries = std::fs::read_dir(folder).map_err(io)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<Result<_, _>>().map_err(io)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_about = [".md", ".py", ".lock", ".sha256"].iter().any(|ending| name.ends_with(ending))
            || ["readme", "license", "dataset_info", "state.json", "checksum"]
                .iter()
                .any(|word| name.starts_with(word));
        if name.starts_with('.') || is_about {
            continue;
        }
        match path.is_dir() {
            true => add_files(&path, files)?,
            false if path.is_file() => files.push(path),
            false => {}
        }
    }
    Ok(())
}

/// Train and test of one data set are never one corpus.
fn one_split(folder: &Path, files: &[PathBuf]) -> Result<(), Error> {
    let has = |split: &&str| {
        files.iter().any(|file| {
            let inside = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().to_lowercase();
            inside.split(|c: char| !c.is_alphanumeric()).any(|word| word == *split)
        })
    };
    let splits: Vec<&str> = ["train", "validation", "test"].into_iter().filter(has).collect();
    match splits.len() > 1 {
        true => Err(Error::Splits { path: folder.into(), splits: splits.join(", ") }),
        false => Ok(()),
    }
}
