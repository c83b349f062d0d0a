//! Studies of structured pruning: methods side by side ([`comparison`]) or settings side by side
//! ([`ablation`]), on one checkpoint and the same texts.
//!
//! A study is a value: a [`Subject`], what is tried on it, and a directory for its results. What is measured
//! of one method or one combination of settings is a cell ([`kept_cells`]), kept in a file of its own under a
//! hash of all that it depends on. A study that was interrupted goes on where it was when it is run again,
//! and one with a row more measures that row alone. After every cell the table is written as Markdown and
//! JSON, and the picture as SVG and PNG; a comparison has a report beside them.
//!
//! # A comparison
//!
//! ```
//! use dress::{Checkpoint, NoProgress, Ratio};
//! use dress_prune::Preset;
//! use dress_study::comparison::{ComparisonSettings, ComparisonStudy, markdown};
//! use dress_study::{ComputeSettings, EvaluationTexts, Subject};
//!
//! # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
//! # let place = tempfile::tempdir()?;
//! # let (model, text, results) = (models.join("llama3-kjv"), models.join("kjv/heldout.txt"), place.path());
//! // Few and short blocks, so that this page is tested in seconds.
//! let texts = EvaluationTexts { seqlen: Some(32), max_blocks: Some(2), ..EvaluationTexts::new(&text) };
//! let subject = Subject::new(Checkpoint::open(&model)?, &texts)?;
//! let settings = ComparisonSettings {
//!     presets: vec![Preset::Magnitude],
//!     ..ComparisonSettings::new(vec![Ratio::new(0.1)?, Ratio::new(0.2)?])
//! };
//!
//! let study = ComparisonStudy::new(subject, settings, ComputeSettings::default(), results);
//! let comparison = study.run_here(&NoProgress)?;
//! println!("{}", markdown(&comparison));
//! assert_eq!(comparison.cells.len(), 3, "the model as it is, and the method at two sizes");
//! assert_eq!(study.run_here(&NoProgress)?, comparison, "nothing was measured again, seconds and all");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An ablation
//!
//! A setting is a name, a value, and a function that gives the value to a run, so that whatever a
//! [`Recipe`](dress_prune::Recipe) holds can be varied.
//!
//! ```
//! use dress::{AxisKind, Checkpoint, HowMuch, NoProgress, Ratio, Recipe};
//! use dress_importance::Criterion;
//! use dress_study::ablation::{AblationStudy, PruneRun, Variant, vary};
//! use dress_study::{EvaluationTexts, Subject};
//!
//! # let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/models"));
//! # let place = tempfile::tempdir()?;
//! # let (model, text, results) = (models.join("llama3-kjv"), models.join("kjv/heldout.txt"), place.path());
//! let texts = EvaluationTexts { seqlen: Some(32), max_blocks: Some(2), ..EvaluationTexts::new(&text) };
//! let subject = Subject::new(Checkpoint::open(&model)?, &texts)?;
//! let recipe = Recipe::new(vec![AxisKind::Ffn], HowMuch::Ratios(vec![Ratio::new(0.25)?])).without_training();
//! let base = PruneRun::new(Recipe { criteria: vec![Criterion::MagnitudeL2], ..recipe }, None);
//!
//! let criteria = vary("criterion", [Criterion::MagnitudeL1, Criterion::Random], |run, criterion| {
//!     run.recipe.criteria = vec![*criterion];
//! });
//! let variants = Variant::all(&base, &[criteria], &[], false, &subject)?;
//! let mut study = AblationStudy::new(subject, variants, results);
//! study.seeds = vec![1, 2];
//! let ablation = study.run_here(&NoProgress)?;
//! assert_eq!(ablation.rows.len(), 4, "the model as it is, the base, and a row for each value");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `dress compare` and `dress ablate` run these studies with a process for each cell, so that the peak memory
//! of a cell is its own: they give [`ComparisonStudy::run`](comparison::ComparisonStudy::run) and
//! [`AblationStudy::run`](ablation::AblationStudy::run) a function that starts the process.

pub mod ablation;
pub mod comparison;
mod compute_settings;
mod error;
mod evaluated_text;
pub mod kept_cells;
mod made_model;
mod origin;
mod picture_files;
mod rehearsed;
mod report_files;
mod subject;
mod text_source;
mod whole_file;

pub use compute_settings::ComputeSettings;
pub use error::Error;
pub use evaluated_text::EvaluatedText;
pub use made_model::MadeModel;
pub use origin::origin_of;
pub(crate) use picture_files::write_picture;
pub use rehearsed::RehearsedCells;
pub use report_files::{check_report_place, write_report};
pub use subject::{EvaluationTexts, Subject};
pub use text_source::TextSource;
pub use whole_file::{clear_unfinished, write_beside};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
