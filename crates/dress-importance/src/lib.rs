//! Scorers: which structures of a model matter.
//!
//! Every criterion works on any model with a coupling map and on any of its axes:
//!
//! | name | score of a structure | source |
//! |---|---|---|
//! | `magnitude-l1`, `magnitude-l2` | norm of its weights | Han et al. 2015, arXiv 1506.02626 |
//! | `activation-norm` | norm of its activations | Minitron, arXiv 2407.14679 |
//! | `wanda` | its readers' weights times the norm of what they read, summed | Wanda, arXiv 2306.11695 |
//! | `taylor` | its weights times their gradients, absolute, summed | LLM-Pruner, arXiv 2305.11627 |
//! | `random` | drawn, the control | |
//!
//! [`Criterion`] picks one by name.

mod activation_norm;
mod criterion;
mod error;
mod magnitude;
mod per_structure;
mod random;
mod statistics;
mod taylor;
mod wanda;

pub use activation_norm::ActivationNorm;
pub use criterion::Criterion;
pub use error::Error;
pub use magnitude::{Magnitude, Norm};
pub use random::Random;
pub use statistics::ActivationStatistics;
pub use taylor::Taylor;
pub use wanda::Wanda;
