//! Evaluation of dense and pruned models.
//!
//! [`perplexity()`] is as the pruning papers report it, [`tasks`] as lm-evaluation-harness scores
//! them. [`departure()`] says how far one model is from another, [`speed()`] and [`Size`] what a
//! model costs, and [`report`] joins all of it into JSON, Markdown and a page.

mod departure;
mod error;
pub mod generation;
pub mod journal;
mod paired;
mod perplexity;
pub mod plot;
pub mod report;
pub mod scoring;
mod size;
mod speed;
pub mod tasks;

pub use departure::{Alignment, Departure, LayerCosine, departure};
pub use error::Error;
pub use paired::PairedDifference;
pub use perplexity::{
    PerplexityConfig, PerplexityReport, WindowLoss, perplexity, perplexity_by_window, window_perplexity,
};
pub use size::{Size, Unaligned};
pub use speed::{SpeedConfig, SpeedReport, Spread, Throughput, speed};

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
