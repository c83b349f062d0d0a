//! What a search tried.

use super::{Search, Sensitivity};
use dress_core::Axis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One shape that was made and measured, and what was measured around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchRound {
    /// What stays of each axis.
    pub kept: BTreeMap<Axis, usize>,
    /// The loss of the refitted model of that shape on the blocks held back, in nats a token.
    pub loss: f64,
    /// What the sensitivities of the round before had said that it would be; nothing for the first.
    pub predicted: Option<f64>,
    /// What was measured around it; nothing for the last.
    pub sensitivities: Vec<Sensitivity>,
}

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchReport {
    /// What was looked for.
    pub search: Search,
    /// The whole model's loss on the blocks held back, in nats a token.
    pub dense_loss: f64,
    /// The shapes that were measured, in order.
    pub rounds: Vec<SearchRound>,
    /// Which of them is the result.
    pub best: usize,
}

impl SearchReport {
    /// The shape that is the result.
    pub fn found(&self) -> &SearchRound {
        &self.rounds[self.best]
    }
}
