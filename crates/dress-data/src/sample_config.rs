//! How blocks are drawn from a text.

use dress_core::Draw;

/// How calibration blocks are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleConfig {
    /// How many blocks.
    pub samples: usize,
    /// Tokens a block.
    pub seqlen: usize,
    /// Seed of the draw.
    pub seed: u64,
    /// How they are drawn.
    pub draw: Draw,
    /// What stands between two rows.
    pub join: String,
}

impl Default for SampleConfig {
    /// What `dress prune` calibrates on.
    fn default() -> Self {
        Self { samples: 64, seqlen: 1024, seed: 42, draw: Draw::Blocks, join: "\n\n".into() }
    }
}
