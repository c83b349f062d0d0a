//! Evaluation against its definitions, and what it refuses.

mod bad_input;
mod generation;
mod page;
mod perplexity;
mod scoring;
mod size_and_departure;
mod small;
mod tasks;
