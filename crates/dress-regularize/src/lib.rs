//! Penalties over the structures that are about to go.
//!
//! A [`Regularizer`] knows, from a model's coupling map and a selection, which parts of which
//! parameters are selected, and applies a [`dress_core::Penalty`] to them in one of two forms:
//!
//! - as a term of the loss, `L = L_LM + lambda * (L_att + L_ffn + L_rest)` (DReSS, arXiv 2501.17905),
//!   each part with its own weight: [`Regularizer::penalty`];
//! - as a proximal step after each optimizer step, which reaches exact zeros (Parikh and Boyd,
//!   *Proximal Algorithms*, 2014): [`Regularizer::shrink`].
//!
//! A [`Gate`] multiplies what is selected by `g(t)`, 1 at first and 0 in the end, when the gated model is the
//! sliced one; an [`ActivationPenalty`] looks at what the selected structures compute instead of at their
//! weights.
//!
//! A whole layer is regularized by what writes the residual stream in it ([`dress_core::layer_writers`]):
//! where that is zero the layer adds nothing, and nothing else of it has to be zero.
//!
//! The penalties, for the rows `w_g` that a slot keeps of structure `g`, or for the whole slot where `g` is a
//! layer:
//!
//! | penalty | value | proximal step with threshold `t_g` |
//! |---|---|---|
//! | [`L1`] | sum of absolute values | `sign(w) * max(0, abs(w) - t_g)` |
//! | [`L2`] | sum of squares | none that reaches zero |
//! | [`Group`] | sum over `g` of the L2 norm of `w_g` | `w_g * max(0, 1 - t_g / norm(w_g))` |

mod activations;
mod centring;
mod component_weights;
mod error;
mod gate;
mod own_penalty;
mod penalties;
mod regularizer;
mod removed_layers;
mod schedule;
mod selected_part;
mod slot_choice;

pub use activations::{ActivationPenalty, ActivationTap};
pub use centring::{Recentring, centre, recentre};
pub use component_weights::ComponentWeights;
pub use error::Error;
pub use gate::{Gate, GateNorms, GateTap};
pub use own_penalty::OwnPenalty;
pub use penalties::{Group, L1, L2, PenaltyKind};
pub use regularizer::{PenaltyTerms, Regularizer, Thresholds};
pub use schedule::Schedule;
pub use slot_choice::SlotChoice;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
