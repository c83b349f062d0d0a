//! The machine that a model runs on.
//!
//! [`device`] finds a device by its name, [`memory`] says how much memory the process takes, and
//! [`HugePages`] is an allocator that a program may choose. Nothing here knows what a model is, and a crate
//! that brings its own model, scorer or penalty needs none of it.

#[cfg(feature = "cuda")]
mod cuda_needs;
pub mod device;
mod device_names;
mod error;
mod huge_pages;
pub mod memory;

pub use error::Error;
pub use huge_pages::HugePages;

// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
