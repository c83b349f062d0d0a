//! The whole path on a LLaMA-2 checkpoint: score, regularize, slice, evaluate.
//!
//! As `prune_llama3`, on a model with as many key/value heads as heads and a head of its own, of which the
//! stream and the feed-forward neurons go together. Its heads stay: a quarter of LLaMA-2's 32 would leave 24,
//! of which its width is no multiple, and stock `transformers` refuses that.

use dress_core::AxisKind;
use dress_core::StockTarget;
use dress_examples::{Family, run};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run(Family { shipped: "llama2-kjv", axes: &[AxisKind::Residual, AxisKind::Ffn], stock: StockTarget::All })
}
