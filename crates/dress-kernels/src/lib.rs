//! Fused operations with hand-written gradients for the hot paths of decoder-only language models on a
//! CPU.
//!
//! Burn's `flex` backend runs one elementwise operation after the other, each a pass over memory by
//! one thread, with `expf` called once a number. What lies between two matrix products is here one pass by
//! every core, in loops that the compiler turns into the widest vectors the machine has, and a
//! gradient is written by hand where autodiff would keep every intermediate result.
//!
//! Every function returns `None` where it does not apply, that is for tensors that are not `f32` on
//! `flex`, or whose gradients are checkpointed: the caller then says the same in Burn's own operations, which
//! is also what the tests compare with. Results do not depend on the number of threads.

// One index over several slices of one length is what the compiler vectorizes.
#![allow(clippy::needless_range_loop)]

mod adamw;
mod attention;
mod attention_gradient;
mod attention_problem;
mod cross_entropy;
mod dots;
mod few_rows;
mod fused;
mod gated_silu;
mod gradients;
mod heads;
mod likelihood;
mod product;
mod rms_norm;
mod rotary;
mod single_query;
mod vector;
mod worker;

pub use adamw::FusedAdamW;
pub use attention::causal_attention;
pub use cross_entropy::{TaughtBy, Unembedding, cross_entropy, distilled_cross_entropy};
pub use few_rows::{linears_of_few_rows, unembed_few_rows};
pub use gated_silu::gated_silu;
pub use gradients::{scale, sum_of_squares};
pub use likelihood::{TokenLikelihood, token_likelihoods};
pub use rms_norm::rms_norm;
pub use rotary::rotate_half;
pub use worker::on_a_worker;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
