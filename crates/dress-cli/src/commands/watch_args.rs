//! The options of watching a run.

use super::common_args::HOW_IT_RUNS;
use crate::Error;
use clap::Args;
use dress::EventFile;
use std::path::PathBuf;

/// Where a run is watched beside standard error.
#[derive(Debug, Clone, Default, Args)]
pub struct WatchArgs {
    /// Leave the loss and the speed of every step in an event file for TensorBoard, in this directory, and
    /// what else is known of each step at the end.
    #[arg(long, help_heading = HOW_IT_RUNS, value_name = "DIR")]
    pub(super) tensorboard: Option<PathBuf>,
}

/// The event file in a directory, where one is asked for.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn event_file(directory: Option<&PathBuf>) -> Result<Option<EventFile>, Error> {
    let create = |directory: &PathBuf| {
        EventFile::create(directory).map_err(|cause| Error::Io { path: directory.clone(), cause })
    };
    directory.map(create).transpose()
}
