//! What the files of a checkpoint were when they were written.

use crate::Error;
use crate::run_directory::CONTENTS as FILE;
use dress_core::files;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Writes what the files in `directory` are: SHA-256 of every other file there.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn write(directory: &Path) -> Result<(), Error> {
    let io = |cause| Error::Io { path: directory.join(FILE), cause };
    let found = hashes(directory).map_err(io)?;
    let text = serde_json::to_string_pretty(&found).expect("names and hashes");
    fs::write(directory.join(FILE), text).map_err(io)
}

/// Checks that the files in `directory` are still what they were.
///
/// # Errors
/// [`Error::Checkpoint`].
pub(crate) fn check(directory: &Path) -> Result<(), Error> {
    let refused = |reason: String| Error::Checkpoint { path: directory.into(), reason };
    let text = fs::read(directory.join(FILE)).map_err(|error| refused(format!("{FILE}: {error}")))?;
    let written: BTreeMap<String, String> =
        serde_json::from_slice(&text).map_err(|error| refused(format!("{FILE} is damaged: {error}")))?;
    let found = hashes(directory).map_err(|error| refused(error.to_string()))?;
    for (name, hash) in &written {
        match found.get(name) {
            None => return Err(refused(format!("{name} is not there"))),
            Some(found) if found != hash => {
                return Err(refused(format!(
                    "{name} is not what was written (its SHA-256 is not the one in {FILE})"
                )));
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|name| !written.contains_key(*name) && name.ends_with(".bpk")) {
        Some(name) => Err(refused(format!("{name} is not in {FILE}"))),
        None => Ok(()),
    }
}

fn hashes(directory: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != FILE && entry.file_type()?.is_file() {
            found.insert(name, files::sha256(&entry.path())?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_byte_in_any_file_is_seen_and_named() {
        let place = tempfile::tempdir().unwrap();
        let names = ["model.bpk", "optimizer.bpk", "curve.jsonl", "position.json"];
        names.iter().for_each(|name| fs::write(place.path().join(name), name).unwrap());
        write(place.path()).unwrap();
        check(place.path()).unwrap();
        for name in names.into_iter().chain([FILE]) {
            let path = place.path().join(name);
            let whole = fs::read(&path).unwrap();
            for at in [0, whole.len() / 2, whole.len() - 1] {
                let mut flipped = whole.clone();
                flipped[at] ^= 1;
                fs::write(&path, flipped).unwrap();
                let says = check(place.path()).unwrap_err().to_string();
                assert!(says.contains("not a checkpoint to go on from") && says.contains("remove"), "{says}");
            }
            fs::write(&path, whole).unwrap();
        }
        fs::write(place.path().join("best.bpk"), "another's").unwrap();
        assert!(check(place.path()).unwrap_err().to_string().contains("best.bpk"));
        fs::remove_file(place.path().join("best.bpk")).unwrap();
        fs::remove_file(place.path().join("optimizer.bpk")).unwrap();
        assert!(check(place.path()).unwrap_err().to_string().contains("optimizer.bpk is not there"));
    }
}
