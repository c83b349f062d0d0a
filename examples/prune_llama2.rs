//! The whole path on a LLaMA-2 checkpoint: score, regularize, slice, evaluate.
//!
//! As `prune_llama3`, on a model with as many key/value heads as heads and a head of its own, of which the
//! feed-forward neurons and the attention heads go instead of the stream: every layer gets narrower inside,
//! and the embeddings stay whole.

use dress_core::AxisKind;
use dress_core::StockTarget;
use dress_examples::{Family, run};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run(Family { shipped: "llama2-kjv", axes: &[AxisKind::Ffn, AxisKind::Heads], stock: StockTarget::Any })
}
