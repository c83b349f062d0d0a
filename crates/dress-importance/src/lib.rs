//! Scorers: which structures of a model matter.
//!
//! Every criterion works on any model with a coupling map; [`Criterion`] picks one by name:
//!
//! | name | score of a structure | axes | source |
//! |---|---|---|---|
//! | `magnitude-l1`, `magnitude-l2` | norm of all its weights | width | Han et al. 2015, arXiv 1506.02626 |
//! | `activation-norm` | norm of its activations | width | Minitron, arXiv 2407.14679 |
//! | `wanda` | its readers' weights times the norm of what they read, summed | width | Wanda, arXiv 2306.11695 |
//! | `flap-ifv` | variance of its activations | width | FLAP, arXiv 2312.11983 |
//! | `flap-wifv` | that times the squared norm of the weights it meets | width | FLAP |
//! | `flap-wifn` | the mean absolute weight it meets times its activations' norm | width | FLAP |
//! | `flap` | `flap-wifv`, less the mean over the axis's channels and over their deviation: one ranking for all axes | width | FLAP |
//! | `minitron` | norm over blocks of the mean activation over tokens; of channels behind the norms | width | Minitron |
//! | `taylor` | `abs(weight * gradient)` of each of its weights, summed | width | LLM-Pruner, arXiv 2305.11627 |
//! | `taylor-vector` | the same, summed before the absolute value along each row or column | width | LLM-Pruner |
//! | `fisher` | square of its summed weight * gradient, mean over blocks | width | Molchanov et al. 2019, arXiv 1906.10771 |
//! | `block-influence` | 1 - the cosine between the stream before and after | depth | ShortGPT, arXiv 2403.03853 |
//! | `sleb` | how late a greedy search for the least loss removes it | depth | SLEB, arXiv 2402.09025 |
//! | `random` | drawn, the control | both | |
//!
//! The Taylor criteria take an aggregate over the places a structure touches as their suffix: `taylor-max`,
//! `taylor-vector-prod`, `taylor-last`; without one they sum. Gains that are filed as one less than what they
//! multiply by, as Gemma's are, count as what they multiply by.

mod activations;
mod criteria;
mod criterion;
mod depth;
mod error;
mod fluctuation;
mod gradients;
mod minitron;
mod per_structure;
mod random;
mod score;
mod statistics;
mod weights;
mod weights_and_statistics;

pub use criteria::Criteria;
pub use criterion::Criterion;
pub use error::Error;
pub use gradients::Taylor;
pub use per_structure::Aggregate;
pub use score::{score_all, score_by_parts};
pub use statistics::ActivationStatistics;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
