//! Makes a trained LLM smaller by regularizing before pruning: it scores structures on a little data, trains
//! the selected ones to zero so that what they know moves to the rest, and slices them out of every matrix.
//!
//! This is the run that `dress prune` makes, from a checkpoint to a smaller one that stock software loads:
//!
//! ```
//! use dress::{
//!     AxisKind, CausalLm, Checkpoint, Corpus, CorpusFormat, HowMuch, LoadConfig, NoProgress, PruneJob, Ratio, Recipe, device,
//! };
//!
//! # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
//! # let place = tempfile::tempdir()?;
//! # let (model, text) = (models.join("llama3-kjv"), models.join("kjv/calibration.txt"));
//! # let smaller = place.path().join("smaller");
//! // A directory, a GGUF file or `owner/name` on the Hugging Face hub.
//! let checkpoint = Checkpoint::open(&model)?;
//! // A quarter of the neurons of every feed-forward network goes; everything else follows from the model.
//! let mut recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.25)?]));
//! // Few and short blocks, so that this page is tested in seconds.
//! (recipe.sampling.samples, recipe.sampling.seqlen) = (16, Some(32));
//!
//! let job = PruneJob::new(checkpoint, &recipe, LoadConfig::default(), device::parse("cpu")?)?;
//! let calibration = job.calibration(&Corpus::read(&text, CorpusFormat::Auto)?)?;
//! let pruned = job.run(&calibration, &NoProgress)?;
//! pruned.save(&smaller, false)?;
//!
//! assert!(pruned.result.result.parameters < pruned.result.result.parameters_before);
//! let again = Checkpoint::open(&smaller)?;
//! assert_eq!(again.declared().coupling().axis(dress::core::Axis::Ffn { layer: 0 })?.len, 384);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crates behind it are used by themselves where less is wanted: [`dress_core`] is all that a model, a
//! scorer or a penalty of somebody else's depends on.

pub mod any_model;
mod divergences;
mod error;
mod model_card;
mod part_file;
mod prefix_token;
mod prune_by_parts;
mod prune_job;
mod quality;
mod rehearsal;
mod result_file;
mod tensorboard;
#[cfg(feature = "terminal")]
pub mod terminal;

pub use divergences::Divergences;
pub use dress_core::{
    Axis, AxisKind, Basis, Calibration, CausalLm, NoProgress, Progress, Ratio, Scorer, Scores, SlicePlan,
    StockTarget,
};
pub use dress_data::{Corpus, CorpusFormat, Mixture, Tokenizer};
pub use dress_engines::{EngineFormat, EngineTable};
pub use dress_importance::Criterion;
pub use dress_machine::device;
pub use dress_models::{AnyModel, Checkpoint, FloatType, LoadConfig};
pub use dress_prune::{
    Compensation, HowMuch, Measure, Recipe, RegularizeConfig, ResolvedRecipe, Sampling, Sizes,
};
pub use dress_train::TrainConfig;
pub use error::Error;
pub use model_card::ModelCard;
pub use part_file::PartFile;
pub use prefix_token::prefix_token;
pub use prune_by_parts::{Joined, PruneByParts, check_layers, join};
pub use prune_job::{PruneJob, PrunedCheckpoint};
pub use quality::{HeldBack, QualityBefore, QualityText, TextQuality};
pub use rehearsal::{Estimate, StageEstimate, StageTimes, TimedStage, first_windows, stage_factor};
pub use result_file::{PruneResult, ResultFile};
pub use tensorboard::{EventFile, EventProgress};

pub use dress_core as core;
pub use dress_data as data;
pub use dress_engines as engines;
pub use dress_eval as eval;
pub use dress_importance as importance;
pub use dress_machine as machine;
pub use dress_models as models;
pub use dress_prune as prune;
pub use dress_regularize as regularize;
pub use dress_train as train;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
