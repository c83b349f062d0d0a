//! The shared language of the DReSS workspace.
//!
//! DReSS makes a trained decoder-only language model smaller by *regularizing before pruning*:
//! score structures on a little data, regularize the selected ones so that what they know moves
//! to the rest, and slice them out of every matrix.
//!
//! This crate holds the words that the other crates speak:
//!
//! - an [`Axis`] is a dimension of the model that can be sliced, a *structure* is one index of it;
//! - a [`Slot`] is one place where an axis touches a parameter, and a [`CouplingMap`] lists, per
//!   axis, all the slots that have to be sliced together;
//! - a [`Selection`] says which structures go, a [`SlicePlan`] is a selection bound to the one
//!   model it was made for;
//! - [`CausalLm`] is what a model implements, [`Scorer`] what ranks structures, [`Penalty`] what
//!   regularizes them, and [`Tap`] what listens to activations on the way.
//!
//! The [`identities`] say why slicing what they touch changes nothing.
//!
//! It also holds what every crate has to do alike: how parameters are named and visited
//! ([`parameters`]), a checkpoint's fingerprint, what is drawn, and files that are complete or not
//! there ([`files`]). It knows no model family and no device, and of the machine its name alone,
//! which goes into the names of unfinished files.
//!
//! Depend on this crate alone to bring your own model, scorer or penalty: Burn is re-exported as
//! [`burn`], so that versions cannot disagree.
//!
//! Parameters are named as in the Hugging Face files (`model.layers.3.self_attn.q_proj.weight`)
//! and slots count dimensions as those files do (`[out, in]` for a linear layer), whatever the
//! layout in memory; [`parameters`] does the translation.

pub use burn;

mod axis;
mod basis;
mod calibration;
mod causal_lm;
mod causal_lm_of_variants;
mod coupling;
mod distilled_loss;
mod divergence;
mod draw;
mod edit;
mod error;
pub mod files;
mod fingerprint;
mod forward;
pub mod identities;
mod kept_of_kind;
mod kv_cache;
mod layer_writers;
mod next_token_loss;
pub mod parameters;
mod part;
mod parts;
mod penalty;
mod plan;
mod plan_by_hand;
mod progress;
mod published_path;
mod ratio;
mod rotation;
mod rounding;
mod scorer;
mod scores;
mod selection;
mod seqlen;
mod slot;
mod stock;
mod tap;
mod unit;
mod written_numbers;

pub use axis::{Axis, AxisKind};
pub use basis::Basis;
pub use calibration::{Calibration, CorpusProvenance};
pub use causal_lm::CausalLm;
pub use coupling::{AxisSlots, CouplingMap, Normalization};
pub use distilled_loss::{DistilledLoss, TaughtLogits, distilled_loss_of_logits};
pub use divergence::Divergence;
pub use draw::Draw;
pub use edit::TensorEdit;
pub use error::Error;
pub use fingerprint::{Fingerprint, FingerprintBuilder};
pub use forward::Forward;
pub use kept_of_kind::KeptOfKind;
pub use kv_cache::KvCache;
pub use layer_writers::{layer_writers, only_adds};
pub use next_token_loss::loss_of_logits;
pub use part::Part;
pub use parts::{Parts, forward_by_parts, forward_last_by_parts};
pub use penalty::Penalty;
pub use plan::{PLAN_FORMAT, ScoreSummary, SlicePlan};
pub use progress::{Advance, NoProgress, Progress, RunningStage, Stage};
pub use published_path::{published_path, published_paths};
pub use ratio::Ratio;
pub use rotation::{Rotation, Turn, TurnedChannels};
pub use rounding::round_at_random;
pub use scorer::Scorer;
pub use scores::Scores;
pub use selection::{AxisSelection, Selection};
pub use seqlen::seqlen_or;
pub use slot::{Component, Role, Slot};
pub use stock::{MultipleOf, StockTarget};
pub use tap::{NoTap, Site, Tap};
pub use unit::Unit;
pub use written_numbers::{as_ranges, least_to_most};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
