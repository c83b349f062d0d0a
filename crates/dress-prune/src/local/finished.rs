//! Layers that are finished.

use super::LayerReport;
use crate::Error;
use dress_core::files;
use dress_train::{Error as TrainError, RunDirectory, differences};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known of a layer that is finished; its weights are in a file beside it.
#[derive(Serialize, Deserialize)]
pub(super) struct Finished {
    /// The version of the file's format, [`Finished::FORMAT`]; 0 in files from before it was written.
    #[serde(default)]
    pub format_version: u32,
    /// All that it depends on.
    pub key: Value,
    pub report: LayerReport,
}

impl Finished {
    /// The version of the format of `finished.json` that is written.
    const FORMAT: u32 = 1;

    /// What is known of a layer that is finished now.
    pub fn new(key: Value, report: LayerReport) -> Self {
        Self { format_version: Self::FORMAT, key, report }
    }

    /// What is known of the layer of `directory`, where it is finished. One of another key is none with
    /// `replace`.
    ///
    /// # Errors
    /// [`TrainError::AnotherRun`] where it is of another key, [`TrainError::Checkpoint`] where it cannot be
    /// read, and [`Error::RunFile`].
    pub fn read(directory: &RunDirectory, key: &Value, replace: bool) -> Result<Option<Self>, Error> {
        let path = directory.finished();
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_to_string(&path).map_err(|cause| Error::RunFile { path, cause })?;
        let found = match Self::parsed(&text) {
            Ok(found) => found,
            Err(_) if replace => return Ok(None),
            Err(reason) => {
                return Err(TrainError::Checkpoint { path: directory.finished(), reason }.into());
            }
        };
        match differences(&found.key, key) {
            differing if differing.is_empty() => Ok(Some(found)),
            _ if replace => Ok(None),
            differing => {
                let what = format!("other settings ({})", differing.join(", "));
                Err(TrainError::AnotherRun { path: directory.path().into(), what }.into())
            }
        }
    }

    /// What a file says, or why it cannot be read.
    fn parsed(text: &str) -> Result<Self, String> {
        let found: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match found.format_version {
            0..=Self::FORMAT => Ok(found),
            later => Err(format!("format {later}, this version reads {}", Self::FORMAT)),
        }
    }

    /// Keeps it in `directory`.
    ///
    /// # Errors
    /// [`Error::RunFile`].
    pub fn write(&self, directory: &RunDirectory) -> Result<(), Error> {
        let path = directory.finished();
        let failed = |cause| Error::RunFile { path: path.clone(), cause };
        let text = serde_json::to_vec(self).map_err(|cause| failed(cause.into()))?;
        files::write_whole(&path, &text).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_later_format_is_refused_and_one_from_before_formats_is_read() {
        let report = LayerReport { curve: Vec::new(), compensation: Vec::new() };
        let text = serde_json::to_string(&Finished::new(Value::from(1), report)).unwrap();
        assert!(text.contains("\"format_version\":1"), "{text}");
        assert!(Finished::parsed(&text.replace("\"format_version\":1,", "")).is_ok());
        let refused = Finished::parsed(&text.replace("version\":1", "version\":2")).err().unwrap();
        assert!(refused.contains("format 2, this version reads 1"), "{refused}");
    }
}
