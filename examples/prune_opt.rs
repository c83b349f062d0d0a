//! The whole path on a OPT checkpoint: score, regularize, slice, evaluate.
//!
//! OPT has no `head_dim`: stock software divides the width by the heads, so stream and heads go by the same
//! ratio. Its layer norms want a stream of mean zero, which the path sees to on the way.

use dress_core::AxisKind;
use dress_core::StockTarget;
use dress_examples::{Family, run};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run(Family { shipped: "opt-kjv", axes: &[AxisKind::Residual, AxisKind::Heads], stock: StockTarget::All })
}
