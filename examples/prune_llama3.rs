//! The whole path on a LLaMA-3 checkpoint: score, regularize, slice, evaluate.
//!
//! LLaMA says the width of its heads in `head_dim`, so the stream can be sliced alone. With no arguments
//! this prunes the small model that ships and takes about a minute; `-- --model DIR --data FILE` does the
//! same to any checkpoint. What it does is in `lib.rs` beside this file.

use dress_core::AxisKind;
use dress_core::StockTarget;
use dress_examples::{Family, run};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run(Family { shipped: "llama3-kjv", axes: &[AxisKind::Residual], stock: StockTarget::All })
}
