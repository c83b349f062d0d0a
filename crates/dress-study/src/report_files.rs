//! A report as files: for programs, for people, and as a page.

use crate::{Error, clear_unfinished, write_beside};
use dress_eval::report::{Report, html, markdown};
use std::path::{Path, PathBuf};

/// Checks that a report may be put into a directory.
///
/// # Errors
/// [`Error::NoDirectory`] where what is above it is a file, and [`Error::ReportInCheckpoint`] where it is a
/// checkpoint.
pub fn check_report_place(directory: &Path) -> Result<(), Error> {
    let above = directory.ancestors().find(|above| above.exists());
    if let Some(file) = above.filter(|above| !above.is_dir()) {
        return Err(Error::NoDirectory { path: file.into() });
    }
    match directory.join("config.json").exists() {
        true => Err(Error::ReportInCheckpoint { path: directory.into() }),
        false => Ok(()),
    }
}

/// Writes `report.json`, `report.md` and `report.html` into a directory, which is made if need be; says which
/// files.
///
/// # Errors
/// Those of [`check_report_place`], and [`Error::Io`].
pub fn write_report(directory: &Path, report: &Report, title: &str) -> Result<Vec<PathBuf>, Error> {
    check_report_place(directory)?;
    std::fs::create_dir_all(directory).map_err(|cause| Error::Io { path: directory.into(), cause })?;
    clear_unfinished(directory);
    let texts = [report.to_json(), markdown(report), html(report, title)];
    let paths = ["report.json", "report.md", "report.html"].map(|name| directory.join(name));
    for (path, text) in paths.iter().zip(texts) {
        write_beside(path, text.as_bytes())?;
    }
    Ok(paths.into())
}
