//! What a search looks for.

use crate::{Budget, Measure};
use dress_core::StockTarget;
use dress_engines::EngineFormat;
use serde::{Deserialize, Serialize};

/// What a search is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Of the shapes within a budget the one that stays nearest to what the model says.
    Budget(Budget),
    /// Of the shapes whose perplexity on blocks held back is at most so many times the whole model's the
    /// smallest.
    Perplexity {
        /// What is counted.
        measure: Measure,
        /// The perplexity over the whole model's, above 1.
        times: f64,
    },
}

/// In which order the structures of an axis go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Each time those of which the loss is expected to feel the least where what reads the others is
    /// refitted.
    Expected,
    /// By a scorer's scores, the least first; the order of files from before it was written.
    #[default]
    Scores,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// What it is to reach.
    pub goal: Goal,
    /// Whose rules the shape keeps.
    pub stock: StockTarget,
    /// What kept counts are a multiple of, beside what the family's config wants.
    pub tile: usize,
    /// Whether layers may differ.
    pub per_layer: bool,
    /// In which order the structures of an axis go.
    #[serde(default)]
    pub order: Order,
    /// How many of the calibration blocks are held back from refitting, to measure shapes on.
    pub held_back: usize,
    /// How many of the calibration blocks are looked at, those that are held back among them; all in files
    /// from before it was written.
    #[serde(default = "all_blocks")]
    pub blocks: usize,
    /// The formats that serve the shape: a goal of bytes is of what they serve, each layer by its own sizes.
    /// They are written by their names and not read again.
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub served_by: Vec<EngineFormat>,
}

fn all_blocks() -> usize {
    usize::MAX
}

/// Tokens of calibration that a search looks at: the shape settles long before what refitting makes of it
/// does.
const TOKENS: usize = 16_384;

impl Search {
    /// How many blocks of that many tokens are held back: a thousand tokens or so, on which all shapes are
    /// compared.
    pub fn blocks_to_hold_back(seqlen: usize) -> usize {
        1024usize.div_ceil(seqlen.max(1))
    }

    /// How many blocks of that many tokens are looked at, those that are held back among them.
    pub fn blocks_to_look_at(seqlen: usize) -> usize {
        let held_back = Self::blocks_to_hold_back(seqlen);
        TOKENS.div_ceil(seqlen.max(1)).max(held_back + 1)
    }
}
