//! The whole path on a Phi-2 checkpoint: score, regularize, slice, evaluate.
//!
//! `transformers` takes a Phi of any width by its `head_dim` (`StockTarget::Transformers`, stream alone);
//! vLLM and llama.cpp divide the width by the heads, so for all of them stream and heads go together.

use dress_core::AxisKind;
use dress_core::StockTarget;
use dress_examples::{Family, run};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run(Family { shipped: "phi2-kjv", axes: &[AxisKind::Residual, AxisKind::Heads], stock: StockTarget::All })
}
