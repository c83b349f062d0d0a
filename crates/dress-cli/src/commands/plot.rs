//! `dress plot`.

use super::plotted_file::panels;
use crate::{Error, Output, PlaceLock, check_file_place, write_result};
use dress_eval::plot::{Panel, Picture, picture};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What `dress plot` does.
#[derive(Debug)]
pub(super) struct Plot {
    /// A directory that these programs wrote, or one of the files that can be drawn.
    pub run: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// Whether one that is there is replaced.
    pub force: bool,
    /// How the result is reported.
    pub output: Output,
}

impl Plot {
    pub fn draw(self) -> Result<(), Error> {
        check_file_place(&self.out, self.force)?;
        let _lock = PlaceLock::take(&self.out)?;
        let bytes_of = format_of(&self.out)?;
        let panels = panels(&self.run)?;
        write_result(&self.out, &bytes_of(&picture(&panels)?), self.force)?;
        let out = self.out.display().to_string();
        let titles: Vec<&str> = panels.iter().map(|panel: &Panel| panel.title.as_str()).collect();
        let report = json!({ "out": out, "panels": titles });
        self.output.print(&report, || format!("drawn to {out}: {}", titles.join("; ")))
    }
}

/// What makes a picture's file, by how its name ends.
fn format_of(path: &Path) -> Result<fn(&Picture) -> Vec<u8>, Error> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(|picture: &Picture| picture.svg().into_bytes()),
        Some("png") => Ok(Picture::png),
        _ => Err(Error::NotAPicture { path: path.into() }),
    }
}
