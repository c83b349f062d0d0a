//! What the libraries do with any model, for a checkpoint's.
//!
//! The libraries are generic over the model, so a program that calls them compiles the whole training loop
//! for its own. These functions do the same for [`AnyModel`] and are compiled once, in this crate: a program
//! that calls them builds in seconds.

use dress_core::burn::tensor::DType;
use dress_core::{Calibration, Fingerprint, Progress, Scorer};
use dress_eval::{PerplexityConfig, PerplexityReport};
use dress_models::{AnyModel, CheckpointParts};
use dress_prune::{PruneConfig, Pruned, ResolvedRecipe};
use dress_train::{RecoverConfig, RunDirectory, Trained};
use std::ops::Range;

/// [`dress_prune::prune()`].
///
/// # Errors
/// Those of [`dress_prune::prune()`].
///
/// # Examples
/// ```
/// use dress::{AxisKind, Calibration, Checkpoint, Criterion, LoadConfig, NoProgress, Ratio, device};
/// use dress::prune::{AxisTarget, PruneConfig};
///
/// # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
/// let checkpoint = Checkpoint::open(&models.join("llama3-kjv"))?;
/// let dense = checkpoint.load(&LoadConfig::default(), &device::parse("cpu")?)?;
/// let config = PruneConfig::new(vec![AxisTarget::new(AxisKind::Ffn, Ratio::new(0.25)?, 1)]);
/// let scorer = Criterion::MagnitudeL2.scorer(42);
/// let calibration = Calibration::from_blocks(vec![vec![1, 2, 3, 4]]);
/// let pruned = dress::any_model::prune(dense, scorer.as_ref(), &calibration, &config, &NoProgress)?;
/// assert!(pruned.report.slicing_error.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn prune(
    model: AnyModel,
    scorer: &dyn Scorer<AnyModel>,
    calibration: &Calibration,
    config: &PruneConfig,
    progress: &dyn Progress,
) -> Result<Pruned<AnyModel>, dress_prune::Error> {
    dress_prune::prune(model, scorer, calibration, config, progress)
}

/// [`ResolvedRecipe::prune`], or with a scorer of one's own [`ResolvedRecipe::prune_scored_by`].
///
/// # Errors
/// Those of [`ResolvedRecipe::prune_scored_by`].
pub fn prune_as_resolved(
    resolved: &ResolvedRecipe,
    model: AnyModel,
    scorer: Option<&dyn Scorer<AnyModel>>,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<Pruned<AnyModel>, dress_prune::Error> {
    match scorer {
        Some(scorer) => resolved.prune_scored_by(model, scorer, calibration, progress),
        None => resolved.prune(model, calibration, progress),
    }
}

/// [`dress_train::recover`].
///
/// # Errors
/// Those of [`dress_train::recover`].
pub fn recover(
    model: AnyModel,
    dense: Option<AnyModel>,
    data: &Calibration,
    config: &RecoverConfig,
    progress: &dyn Progress,
) -> Result<Trained<AnyModel>, dress_train::Error> {
    dress_train::recover(model, dense, data, config, progress)
}

/// [`dress_prune::keep_streams`].
///
/// # Errors
/// Those of [`dress_prune::keep_streams`].
pub fn keep_streams(
    parts: &CheckpointParts,
    fingerprint: &Fingerprint,
    calibration: &Calibration,
    dtype: DType,
    directory: &RunDirectory,
    layers: Range<usize>,
    progress: &dyn Progress,
) -> Result<(), dress_prune::Error> {
    dress_prune::keep_streams(parts, fingerprint, calibration, dtype, directory, layers, progress)
}

/// [`dress_eval::perplexity`].
///
/// # Errors
/// Those of [`dress_eval::perplexity`].
pub fn perplexity(
    model: &AnyModel,
    blocks: &Calibration,
    config: &PerplexityConfig,
    progress: &dyn Progress,
) -> Result<PerplexityReport, dress_eval::Error> {
    dress_eval::perplexity(model, blocks, config, progress)
}
