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
    /// All that it depends on.
    pub key: Value,
    pub report: LayerReport,
}

impl Finished {
    /// What is known of the layer of `directory`, where it is finished. One of another key is none with `replace`.
    ///
    /// # Errors
    /// [`TrainError::AnotherRun`] where it is of another key, [`TrainError::Checkpoint`] where it cannot be read, and
    /// [`Error::RunFile`].
    pub fn read(directory: &RunDirectory, key: &Value, replace: bool) -> Result<Option<Self>, Error> {
        let path = directory.finished();
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_to_string(&path).map_err(|cause| Error::RunFile { path, cause })?;
        let found: Self = match serde_json::from_str(&text) {
            Ok(found) => found,
            Err(_) if replace => return Ok(None),
            Err(error) => {
                let (path, reason) = (directory.finished(), error.to_string());
                return Err(TrainError::Checkpoint { path, reason }.into());
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
