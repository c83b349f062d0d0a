//! What a search tried.

use super::curvature::Sensitivity;
use super::goal::Search;
use dress_core::Axis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One shape that was made and measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// How the shape came to be, in words.
    pub name: String,
    /// What stays of each axis.
    pub kept: BTreeMap<Axis, usize>,
    /// The share of what the goal counts that is left.
    pub left: f64,
    /// What the sensitivities said that the loss would gain, in nats a token.
    pub expected: f64,
    /// The loss of the refitted model of that shape on the blocks held back, in nats a token.
    pub loss: f64,
    /// The mean divergence of its next-token distributions there from the whole model's, `KL(whole ||
    /// shape)`, in nats a token.
    pub divergence: f64,
}

/// How little the loss is expected to gain where so much is left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrontierPoint {
    /// The share of what the goal counts that may be left.
    pub left: f64,
    /// The least expected loss of all shapes within it, in nats a token.
    pub expected: f64,
}

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchReport {
    /// The version of the file's format, [`SearchReport::FORMAT`]; 0 in files from before it was written.
    #[serde(default)]
    pub format_version: u32,
    /// What was looked for.
    pub search: Search,
    /// What the search cost.
    pub passes: Passes,
    /// The whole model's loss on the blocks held back, in nats a token.
    pub dense_loss: f64,
    /// What each axis is expected to cost.
    pub sensitivities: Vec<Sensitivity>,
    /// What is expected of the best shapes of other sizes, the greatest first; sizes that no shape has are
    /// not there.
    pub frontier: Vec<FrontierPoint>,
    /// The shapes that were measured, in order.
    pub candidates: Vec<Candidate>,
    /// Which of them is the result: of those within a budget the one of the least divergence, of those within
    /// a perplexity the smallest.
    pub best: usize,
}

/// What a search costs: how many blocks went through all layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passes {
    /// Forward alone.
    pub forward: usize,
    /// Forward and back.
    pub backward: usize,
}

impl SearchReport {
    /// The version of the format of `search.json` that is written.
    pub const FORMAT: u32 = 1;

    /// The shape that is the result.
    pub fn found(&self) -> &Candidate {
        &self.candidates[self.best]
    }
}

#[cfg(test)]
mod tests {
    use crate::Search;

    #[test]
    fn a_search_from_before_its_blocks_were_written_is_read() {
        let old = r#"{"goal":{"budget":{"measure":"parameters","left":10.0}},"stock":"any","tile":1,"per_layer":false,"held_back":2}"#;
        let search: Search = serde_json::from_str(old).unwrap();
        assert_eq!((search.blocks, search.held_back), (usize::MAX, 2), "it looked at all of them");
    }
}
