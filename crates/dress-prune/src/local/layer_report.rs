//! What happened on the way through a layer.

use crate::CompensatedProjection;
use crate::joined_curves::append;
use dress_train::CurvePoint;
use serde::{Deserialize, Serialize};

/// What happened on the way, in one layer or in all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LayerReport {
    /// One point a step.
    pub curve: Vec<CurvePoint>,
    /// One line a projection that made up for what went.
    pub compensation: Vec<CompensatedProjection>,
}

impl LayerReport {
    /// Adds what happened in the next layer.
    pub fn append(&mut self, next: Self) {
        append(&mut self.curve, &next.curve);
        self.compensation.extend(next.compensation);
    }
}
