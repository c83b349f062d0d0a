//! What every command is given.

use crate::{Error, Output};
use dress_eval::report::RunInfo;
use dress_models::{AnyModel, Checkpoint};
use dress_study::ComputeSettings;
use std::path::Path;

/// Where a command computes, its seed, and how it reports its result.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The device and the type of the weights.
    pub compute: ComputeSettings,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Where the result goes.
    pub output: Output,
}

impl RunContext {
    /// The checkpoint at `path`.
    ///
    /// # Errors
    /// Those of [`ComputeSettings::load`].
    pub fn load(&self, path: &Path) -> Result<AnyModel, Error> {
        Ok(self.compute.load(&Checkpoint::at(path)?, self.seed)?)
    }

    /// A run here and now.
    pub fn run_info(&self) -> RunInfo {
        self.compute.run_info(self.seed)
    }
}
