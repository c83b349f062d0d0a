//! What a row of an ablation runs.

use crate::{ComputeSettings, Error, TextSource};
use dress::PruneJob;
use dress_core::Calibration;
use dress_models::Checkpoint;
use dress_prune::{Recipe, Sizes};
use dress_train::RunDirectory;

/// A recipe, the text that it looks at, and where it is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct PruneRun {
    /// What goes, and how it is prepared.
    pub recipe: Recipe,
    /// The text that is scored on and trained on, where there is one; never one that is evaluated.
    pub calibration: Option<TextSource>,
    /// The device and the type of the weights.
    pub compute: ComputeSettings,
}

impl PruneRun {
    /// A run of `recipe` as usual.
    pub fn new(recipe: Recipe, calibration: Option<TextSource>) -> Self {
        Self { recipe, calibration, compute: ComputeSettings::default() }
    }

    /// The same with sizes as they are asked for, so that rows end at the sizes that they were given
    /// ([`Sizes`]).
    #[must_use]
    pub(crate) fn with_sizes_as_asked(mut self) -> Self {
        self.recipe.sizes = Sizes::AsAsked;
        self
    }

    /// The same with another seed of whatever is drawn.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.recipe.seed = seed;
        if let Some(regularize) = &mut self.recipe.regularize {
            regularize.train.seed = seed;
        }
        self
    }

    /// The run on `checkpoint`, once all is checked that can be without the weights.
    ///
    /// # Errors
    /// Those of [`PruneJob::new`], and [`dress_core::Error::CalibrationEmpty`] where something looks at a
    /// text and there is none.
    pub fn job(&self, checkpoint: &Checkpoint) -> Result<PruneJob, Error> {
        let Self { recipe, calibration, compute } = self;
        let (load, device) = (compute.load_config(), compute.device.clone());
        let job = PruneJob::new(checkpoint.clone(), recipe, load, device)?;
        match (calibration, job.resolved.looks_at_data()) {
            (None, Some(who)) => Err(dress_core::Error::CalibrationEmpty { who }.into()),
            _ => Ok(job),
        }
    }

    /// The blocks that it looks at, none without a text.
    ///
    /// # Errors
    /// Those of [`TextSource::blocks`].
    pub fn blocks(&self, checkpoint: &Checkpoint) -> Result<Calibration, Error> {
        let blocks = |text: &TextSource| text.blocks(checkpoint, &self.recipe.sampling, self.recipe.seed);
        Ok(self.calibration.as_ref().map(blocks).transpose()?.unwrap_or_default())
    }

    /// The same, and up to `held_back` blocks that share no text with them.
    ///
    /// # Errors
    /// Those of [`TextSource::blocks`].
    pub fn blocks_and_held_back(
        &self,
        checkpoint: &Checkpoint,
        held_back: usize,
    ) -> Result<(Calibration, Calibration), Error> {
        let Recipe { sampling, seed, .. } = &self.recipe;
        let blocks = |text: &TextSource| text.blocks_and_held_back(checkpoint, sampling, *seed, held_back);
        Ok(self.calibration.as_ref().map(blocks).transpose()?.unwrap_or_default())
    }

    /// The same with a directory for what its training needs while it goes on.
    #[must_use]
    pub(crate) fn in_directory(mut self, directory: &RunDirectory) -> Self {
        self.recipe = self.recipe.in_directory(directory);
        self
    }
}
