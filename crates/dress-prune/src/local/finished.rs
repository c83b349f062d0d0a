//! Layers that are finished.

use super::{LayerReport, layer_differences};
use crate::Error;
use dress_core::files;
use dress_train::{Error as TrainError, RunDirectory};
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
    /// SHA-256 of the file of its weights; nothing in files from before it was written.
    #[serde(default)]
    weights_sha256: Option<String>,
    pub report: LayerReport,
}

impl Finished {
    /// The version of the format of `finished.json` that is written.
    const FORMAT: u32 = 1;

    /// What is known of the layer of `directory` that is finished now, whose weights are there.
    ///
    /// # Errors
    /// [`Error::RunFile`].
    pub fn new(directory: &RunDirectory, key: Value, report: LayerReport) -> Result<Self, Error> {
        let path = directory.finished_weights();
        let hash = files::sha256(&path).map_err(|cause| Error::RunFile { path, cause })?;
        Ok(Self { format_version: Self::FORMAT, key, weights_sha256: Some(hash), report })
    }

    /// What is known of the layer of `directory`, where it is finished. One of another key is none with
    /// `replace`, and so is one that is not what was written.
    ///
    /// # Errors
    /// [`TrainError::AnotherRun`] where it is of another key, [`TrainError::Checkpoint`] where it or its
    /// weights are not what was written, and [`Error::RunFile`].
    pub fn read(directory: &RunDirectory, key: &Value, replace: bool) -> Result<Option<Self>, Error> {
        match Self::found(directory, key) {
            Err(Error::Train(TrainError::AnotherRun { .. } | TrainError::Checkpoint { .. })) if replace => {
                Ok(None)
            }
            found => found,
        }
    }

    fn found(directory: &RunDirectory, key: &Value) -> Result<Option<Self>, Error> {
        let path = directory.finished();
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read(&path).map_err(|cause| Error::RunFile { path: path.clone(), cause })?;
        let found = Self::parsed(&text).map_err(|reason| TrainError::Checkpoint { path, reason })?;
        let differing = layer_differences(&found.key, key);
        if !differing.is_empty() {
            let what = format!("other settings ({})", differing.join(", "));
            return Err(TrainError::AnotherRun { path: directory.path().into(), what }.into());
        }
        found.check_weights(directory)?;
        Ok(Some(found))
    }

    /// Whether it says what its weights are.
    pub fn has_hash(&self) -> bool {
        self.weights_sha256.is_some()
    }

    /// Checks that the weights in `directory` are those of this layer; without a hash, that they are there.
    fn check_weights(&self, directory: &RunDirectory) -> Result<(), TrainError> {
        let path = directory.finished_weights();
        let reason = match &self.weights_sha256 {
            None if path.exists() => return Ok(()),
            None => "it is not there".into(),
            Some(hash) => match files::sha256(&path) {
                Ok(found) if found == *hash => return Ok(()),
                Ok(_) => format!("its SHA-256 is not the one in {}", directory.finished().display()),
                Err(cause) => cause.to_string(),
            },
        };
        Err(TrainError::Checkpoint { path, reason })
    }

    /// What a file says, or why it cannot be read.
    fn parsed(text: &[u8]) -> Result<Self, String> {
        let found: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
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
        let place = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(place.path());
        std::fs::write(directory.finished_weights(), "weights").unwrap();
        let finished = Finished::new(&directory, Value::from(1), LayerReport::default()).unwrap();
        let text = serde_json::to_string(&finished).unwrap();
        assert!(text.contains("\"format_version\":1"), "{text}");
        let parsed = |text: String| Finished::parsed(text.as_bytes());
        assert!(parsed(text.replace("\"format_version\":1,", "")).is_ok());
        let hash = format!("\"weights_sha256\":\"{}\",", finished.weights_sha256.unwrap());
        assert!(text.contains(&hash) && parsed(text.replace(&hash, "")).unwrap().weights_sha256.is_none());
        let refused = parsed(text.replace("version\":1", "version\":2")).err().unwrap();
        assert!(refused.contains("format 2, this version reads 1"), "{refused}");
    }
}
