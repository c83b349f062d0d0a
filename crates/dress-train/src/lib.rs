//! The training loop that regularization and recovery share.
//!
//! A [`Training`] minimises an [`Objective`] ([`LanguageModelling`], or [`Distillation`] from a dense
//! [`Teacher`]) over blocks of tokens while a [`Regularization`] has its way with the weights: adds a
//! penalty, shows the forward pass a gated model, moves weights after each step, and says when what is
//! selected is gone, so that the model is sliced and trained on smaller. The optimizer is one of Burn's,
//! chosen by [`OptimizerConfig`]. Training stops at the first loss or gradient that is not finite, and writes
//! one [`CurvePoint`] a step as it goes. With [`TrainConfig::checkpoint_every`] a run that was killed goes on
//! where it was, and ends with the same bits.

mod batches;
mod by_layers;
mod checkpoint;
mod clip;
mod config;
mod contents;
mod curve;
mod distillation;
mod diverged;
mod early_stopping;
mod error;
mod gradient_checkpointing;
mod gradients;
mod hashed_block;
mod learning_rate;
mod objective;
mod optimizer;
mod optimizer_state_device;
mod precision;
mod recover;
mod regularization;
mod run;
mod run_directory;
mod settings_difference;
mod slicing_while_training;
mod step_objective;
mod stream_file;
mod teacher;
mod teacher_cache;
mod trainable;
mod training;

pub use checkpoint::{load_weights, save_weights};
pub use config::{CheckpointEvery, EarlyStopping, TrainConfig};
pub use curve::{CurvePoint, LossEnds};
pub use distillation::{Distillation, DistillationConfig};
pub use diverged::LossScale;
pub use error::{Error, Saved};
pub use gradient_checkpointing::GradientCheckpointing;
pub use learning_rate::{Decay, LearningRate};
pub use objective::{Batch, LanguageModelling, Objective, ObjectiveLoss};
pub use optimizer::{AdamW, OptimizerConfig};
pub use precision::Precision;
pub use recover::{RecoverConfig, recover};
pub use regularization::{NoRegularization, Regularization, StepInfo, TrainingTap};
pub use run::Trained;
pub use run_directory::{KeptSteps, RunDirectory};
pub use settings_difference::differences;
pub use slicing_while_training::{Cut, Slicer, logits_moved};
pub use stream_file::{StreamFile, StreamWriter};
pub use teacher::Teacher;
pub use trainable::{LoraConfig, LoraDropout, Trainable};
pub use training::{Training, train};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
