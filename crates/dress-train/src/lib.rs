//! The training loop that regularization and recovery share.
//!
//! [`train`] minimises the language-modelling loss plus whatever a [`Regularization`] adds, with
//! Burn's AdamW. It stops at the first loss or gradient that is not finite, with the last good
//! weights saved, and writes one [`CurvePoint`] a step as it goes.

mod clip;
mod config;
mod curve;
mod error;
mod regularization;
mod run;

pub use config::{LearningRate, TrainConfig};
pub use curve::CurvePoint;
pub use error::Error;
pub use regularization::{NoRegularization, PenaltyForm, Regularization, SelectedPenalty, StepInfo};
pub use run::{Trained, train};
