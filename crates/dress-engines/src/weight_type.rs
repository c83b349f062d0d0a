//! The types that weights are served in.

use serde::{Deserialize, Serialize};

/// How a type's blocks lie in a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blocks {
    /// A row is whole blocks, or the type does not take it.
    #[default]
    Whole,
    /// A row's last block is filled up.
    Padded,
    /// Blocks go on from one row to the next; the last of the matrix is filled up.
    AcrossRows,
}

/// A type of weights: how many numbers share a block, and what a block takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightType {
    /// Numbers a block.
    #[serde(default = "one")]
    pub numbers: usize,
    /// Bytes a block, scales included; without them those that a number has in the checkpoint.
    pub bytes: Option<f64>,
    /// Bytes beside the blocks for each row, such as its scale.
    #[serde(default)]
    pub row_bytes: f64,
    /// How blocks lie in a matrix.
    #[serde(default)]
    pub blocks: Blocks,
    /// The type that a weight gets instead where its rows are no whole blocks; without one the model is
    /// refused.
    pub otherwise: Option<String>,
}

fn one() -> usize {
    1
}

impl WeightType {
    /// The name of the type that every engine has: numbers as they are in the checkpoint.
    pub const STORED: &'static str = "stored";

    /// Numbers as they are in the checkpoint.
    pub(crate) const AS_STORED: Self =
        Self { numbers: 1, bytes: None, row_bytes: 0.0, blocks: Blocks::Whole, otherwise: None };

    /// Whether a matrix of rows of this length can have the type.
    pub fn takes(&self, row: usize) -> bool {
        row.is_multiple_of(self.multiple())
    }

    /// Of what the length of a row has to be a multiple.
    pub fn multiple(&self) -> usize {
        if self.blocks == Blocks::Whole { self.numbers } else { 1 }
    }

    /// Whether a number takes less than 16 bits.
    pub fn is_quantized(&self) -> bool {
        self.bytes.is_some_and(|bytes| bytes / (self.numbers as f64) < 2.0)
    }

    /// Bytes of a matrix of this type, where a number of the checkpoint has `stored` bytes.
    pub fn bytes_of(&self, rows: usize, row: usize, stored: usize) -> f64 {
        let blocks = match self.blocks {
            Blocks::Padded => rows * row.div_ceil(self.numbers),
            Blocks::Whole | Blocks::AcrossRows => (rows * row).div_ceil(self.numbers),
        };
        blocks as f64 * self.bytes.unwrap_or(stored as f64) + rows as f64 * self.row_bytes
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        let counts = |bytes: f64| bytes.is_finite() && bytes >= 0.0;
        if self.numbers == 0 {
            return Some("`numbers` is 0, and a block has at least one".into());
        }
        let bytes = self.bytes.is_none_or(|bytes| counts(bytes) && bytes > 0.0);
        (!bytes || !counts(self.row_bytes)).then(|| "`bytes` has to be a number above 0".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_from_how_blocks_lie() {
        let of = |blocks| WeightType { numbers: 32, bytes: Some(18.0), blocks, ..WeightType::AS_STORED };
        assert_eq!(of(Blocks::Whole).bytes_of(3, 64, 4), 108.0);
        // Three rows of 33 numbers: two blocks each, or four for all 99.
        assert_eq!(of(Blocks::Padded).bytes_of(3, 33, 4), 108.0);
        assert_eq!(of(Blocks::AcrossRows).bytes_of(3, 33, 4), 72.0);
        let takes = [Blocks::Whole, Blocks::Padded, Blocks::AcrossRows].map(|blocks| of(blocks).takes(33));
        assert_eq!(takes, [false, true, true]);
        let scaled = WeightType { bytes: Some(1.0), row_bytes: 2.0, ..WeightType::AS_STORED };
        assert_eq!((scaled.bytes_of(3, 33, 4), scaled.is_quantized()), (105.0, true));
        assert_eq!(
            (WeightType::AS_STORED.bytes_of(3, 33, 4), WeightType::AS_STORED.is_quantized()),
            (396.0, false)
        );
    }
}
